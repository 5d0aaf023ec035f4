import type { Usage } from '../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../model/json.ts';
import { UNKNOWN_USAGE, type Verdict } from './dialect.ts';

/** What Claude Code's last `result` line says; undefined when it printed none, which is a failure without a reason. */
export function claudeVerdict(line: JsonObject | undefined): Verdict {
  if (line === undefined) return { success: false, result: null, error: null, usage: UNKNOWN_USAGE };
  // An API failure has the subtype "success", and an exhausted turn limit may lack is_error: both must agree.
  const success = line.is_error !== true && line.subtype === 'success';
  const result = typeof line.result === 'string' ? line.result : null;
  return {
    success,
    result: success ? result : null,
    error: success ? null : (nonEmpty(result) ?? describeFailure(line)),
    usage: usageOf(line),
  };
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
 * From `modelUsage`, which covers the whole run with its sub-agents. `usage` beside it covers the main thread of one
 * turn, and is all zeros after an interruption; it is never read.
 */
function usageOf(line: JsonObject): Usage {
  if (!isJsonObject(line.modelUsage)) return { ...UNKNOWN_USAGE, costUsd: amount(line.total_cost_usd) };
  const models = Object.values(line.modelUsage).filter(isJsonObject);
  // Without any model the zeros of the line stand for "not known": a request that failed may have been billed.
  if (models.length === 0) return UNKNOWN_USAGE;
  const cacheReadInputTokens = sum(models, 'cacheReadInputTokens');
  const cacheCreationInputTokens = sum(models, 'cacheCreationInputTokens');
  const uncached = sum(models, 'inputTokens');
  const inputTokens =
    uncached === null || cacheReadInputTokens === null || cacheCreationInputTokens === null
      ? null
      : uncached + cacheReadInputTokens + cacheCreationInputTokens;
  // A model without a list price is printed with a guess.
  const guessed = models.some((model) => model.costBasis === 'unknown');
  return {
    costUsd: guessed ? null : amount(line.total_cost_usd),
    inputTokens,
    outputTokens: sum(models, 'outputTokens'),
    cacheReadInputTokens,
    cacheCreationInputTokens,
  };
}

function sum(models: readonly JsonObject[], field: string): number | null {
  let total = 0;
  for (const model of models) {
    const value = amount(model[field]);
    if (value === null) return null;
    total += value;
  }
  return total;
}

function amount(value: JsonValue | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

function nonEmpty(value: string | null): string | null {
  return value === null || value.trim() === '' ? null : value;
}
