import type { Amounts, Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts';
import { NO_RESULT, UNKNOWN_USAGE, type Verdict } from './dialect.ts';
import { type Amount, amount, isUnknown, sum, withModels } from './usage-counts.ts';

/** Verdict of Claude Code's last `result` line. Without such a line the run failed for an unknown reason. */
export function claudeVerdict(line: JsonObject | undefined): Verdict {
  if (line === undefined) return NO_RESULT;
  // Both fields are needed: an API failure has the subtype "success", an exhausted turn limit can lack is_error.
  const success = !isError(line.is_error) && line.subtype === 'success' && !isCutOff(line.terminal_reason);
  const result = typeof line.result === 'string' ? line.result : null;
  return {
    success,
    result: success ? result : null,
    error: success ? null : (nonEmpty(result) ?? describeFailure(line)),
    usage: usageOf(line),
  };
}

function isError(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== null && value !== false;
}

/** `aborted_streaming` and `aborted_tools` follow an interruption, `api_error` the last retry of a request. */
function isCutOff(reason: JsonValue | undefined): boolean {
  return typeof reason === 'string' && (reason === 'api_error' || reason.startsWith('aborted'));
}

function describeFailure(line: JsonObject): string {
  const reasons = [line.subtype, line.terminal_reason].filter(
    (reason) => typeof reason === 'string' && reason !== 'success',
  );
  const errors = Array.isArray(line.errors) ? line.errors.filter((error) => typeof error === 'string') : [];
  const what = reasons.length === 0 ? 'failed without a reason' : reasons.join(', ');
  return errors.length === 0 ? what : `${what}: ${errors.join('; ')}`;
}

/**
 * Reads `modelUsage`, which covers the whole run with its sub-agents. The field `usage` is ignored: it covers the main
 * thread of one turn, and is all zeros after an interruption.
 */
function usageOf(line: JsonObject): Usage {
  const costUsd = amount(line.total_cost_usd);
  if (!isJsonObject(line.modelUsage)) return { ...UNKNOWN_USAGE, costUsd: costUsd === 0 ? null : costUsd };
  const rows = Object.entries(line.modelUsage).flatMap(([name, row]) =>
    isJsonObject(row) ? [[name, row] as const] : [],
  );
  const models = rows.map(([name, row]) => [name, amountsOf(row)] as const);
  // Zeros in every count mean unknown: a failed request may have been billed.
  if (models.every(([, amounts]) => isUnknown(amounts))) return UNKNOWN_USAGE;
  const total = (kind: keyof Amounts): Amount => sum(models.map(([, amounts]) => amounts[kind] ?? null));
  const usage = {
    costUsd: rows.some(([, row]) => isGuess(row)) ? null : costUsd,
    inputTokens: total('inputTokens'),
    outputTokens: total('outputTokens'),
    cacheReadInputTokens: total('cacheReadInputTokens'),
    cacheCreationInputTokens: total('cacheCreationInputTokens'),
  };
  return withModels(usage, models);
}

function amountsOf(row: JsonObject): Amounts {
  const cacheReadInputTokens = amount(row.cacheReadInputTokens);
  const cacheCreationInputTokens = amount(row.cacheCreationInputTokens);
  return {
    costUsd: isGuess(row) ? null : amount(row.costUSD),
    inputTokens: sum([amount(row.inputTokens), cacheReadInputTokens, cacheCreationInputTokens]),
    outputTokens: amount(row.outputTokens),
    cacheReadInputTokens,
    cacheCreationInputTokens,
  };
}

/** Claude Code prints a guessed cost for a model without a list price. */
function isGuess(row: JsonObject): boolean {
  return row.costBasis === 'unknown';
}

function nonEmpty(value: string | null): string | null {
  return value === null || value.trim() === '' ? null : value;
}
