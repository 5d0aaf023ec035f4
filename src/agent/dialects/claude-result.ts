import type { Amounts, Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue, objectOf, toJsonValue } from '../../model/json.ts';
import { NO_RESULT, UNKNOWN_USAGE, type Verdict } from './dialect.ts';
import { textOrNull } from './json-line.ts';
import { type Amount, addedUp, amount, isUnknown, SessionUsage, sum, withModels } from './usage-counts.ts';

/** What the lines before a `result` line said. */
export interface ClaudeSaid {
  /** The last text of the main thread. */
  readonly text: string | null;
  /** Input of the last call of the tool `StructuredOutput`. */
  readonly structured: JsonValue | undefined;
}

/** Verdict of Claude Code's last `result` line. Without such a line the run failed for an unknown reason. */
export function claudeVerdict(line: JsonObject | undefined, said: ClaudeSaid, usage: Usage): Verdict {
  if (line === undefined) return NO_RESULT;
  // Both fields are needed: an API failure has the subtype "success", an exhausted turn limit can lack is_error.
  const success = !isError(line.is_error) && line.subtype === 'success' && !isCutOff(line.terminal_reason);
  const error = success ? null : (nonEmpty(textOrNull(line.result)) ?? describeFailure(line));
  return { success, result: success ? resultOf(line, said) : null, error, usage };
}

/** With a schema for the answer the field `result` is empty or repeats a text beside the answer. */
function resultOf(line: JsonObject, { text, structured }: ClaudeSaid): string | null {
  const { structured_output: output } = line;
  if (output !== undefined && output !== null) return JSON.stringify(toJsonValue(output));
  const result = textOrNull(line.result);
  if (nonEmpty(result) !== null) return result;
  if (structured !== undefined) return JSON.stringify(toJsonValue(structured));
  return text ?? result;
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
  const listed = Array.isArray(line.errors) ? line.errors : [objectOf(line.error).message, line.error];
  const errors = listed.filter((error) => typeof error === 'string');
  const what = reasons.length === 0 ? 'failed without a reason' : reasons.join(', ');
  return errors.length === 0 ? what : `${what}: ${errors.join('; ')}`;
}

/** Counts the `result` lines of a run. */
export interface ResultCounts {
  /** `hasSubAgents`: whether a sub-agent has said anything so far. */
  add(line: JsonObject, hasSubAgents: boolean): void;
  total(): Usage;
  /** Whether the input tokens of messages are without cached input. */
  readonly isCachedExtra: boolean;
}

/** `modelUsage` and `total_cost_usd` grow over a session, so its last line counts; `usage` covers one turn, so turns add up. */
export class ClaudeCounts implements ResultCounts {
  readonly isCachedExtra = true;
  readonly #sessions = new SessionUsage();
  /** Tokens of the turns without `modelUsage`, by session. */
  readonly #turns = new Map<string, Amounts>();
  #lastId: JsonValue | undefined;
  #hasPart = false;

  add(line: JsonObject, hasSubAgents: boolean): void {
    const { uuid, session_id: id } = line;
    if (uuid !== undefined && uuid === this.#lastId) return;
    this.#lastId = uuid;
    const session = typeof id === 'string' ? id : '';
    const byModel = modelUsageOf(line);
    if (byModel !== undefined) {
      this.#sessions.report(session, byModel);
      this.#turns.delete(session);
      return;
    }
    this.#sessions.report(session, { ...UNKNOWN_USAGE, costUsd: totalCostOf(line) });
    if (hasSubAgents) this.#hasPart = true;
    else if (this.#turns.size < TURN_SESSIONS_MAX)
      this.#turns.set(session, addedUp(this.#turns.get(session) ?? UNKNOWN_USAGE, turnUsageOf(line)));
  }

  total(): Usage {
    const usage = this.#sessions.total() ?? UNKNOWN_USAGE;
    const turns = [...this.#turns.values()].reduce(addedUp, UNKNOWN_USAGE);
    if (this.#hasPart && isUnknown({ ...usage, costUsd: null })) return usage;
    if (isUnknown(turns)) return usage;
    const cost = usage.costUsd ?? null;
    const tokens = addedUp({ ...usage, costUsd: null }, turns);
    return { ...tokens, costUsd: cost, ...(usage.models !== undefined && { models: usage.models }) };
  }
}

/** Bounds the memory when a program prints a new session on each line. */
const TURN_SESSIONS_MAX = 1_000;

/**
 * Usage by `modelUsage`, which covers the session so far with its sub-agents. Undefined when the line has none: releases
 * before 2.0 and other agents of this format print `usage` alone.
 */
export function modelUsageOf(line: JsonObject): Usage | undefined {
  if (!isJsonObject(line.modelUsage)) return undefined;
  const rows = Object.entries(line.modelUsage).flatMap(([name, row]) =>
    isJsonObject(row) ? [[name, row] as const] : [],
  );
  const models = rows.map(([name, row]) => [name, amountsOf(row)] as const);
  if (models.length === 0) return undefined;
  // Zeros in every count mean unknown: a failed request may have been billed.
  if (models.every(([, amounts]) => isUnknown(amounts))) return UNKNOWN_USAGE;
  const total = (kind: keyof Amounts): Amount => sum(models.map(([, amounts]) => amounts[kind] ?? null));
  const usage = {
    costUsd: rows.some(([, row]) => isGuess(row)) ? null : amount(line.total_cost_usd),
    inputTokens: total('inputTokens'),
    outputTokens: total('outputTokens'),
    cacheReadInputTokens: total('cacheReadInputTokens'),
    cacheCreationInputTokens: total('cacheCreationInputTokens'),
  };
  return withModels(usage, models);
}

/** The field `usage`: the main thread of one turn, without sub-agents. All zeros, thus unknown, after an interruption. */
export function turnUsageOf(line: JsonObject): Amounts {
  const said = objectOf(line.usage);
  const cacheReadInputTokens = amount(said.cache_read_input_tokens);
  const cacheCreationInputTokens = amount(said.cache_creation_input_tokens);
  const amounts = {
    costUsd: null,
    // A count that is left out is 0: older releases print it only with caching.
    inputTokens: sum([amount(said.input_tokens), cacheReadInputTokens ?? 0, cacheCreationInputTokens ?? 0]),
    outputTokens: amount(said.output_tokens),
    cacheReadInputTokens,
    cacheCreationInputTokens,
  };
  return isUnknown(amounts) ? UNKNOWN_USAGE : amounts;
}

/** Cumulative over the session; 0 means unknown. */
export function totalCostOf(line: JsonObject): Amount {
  const costUsd = amount(line.total_cost_usd);
  return costUsd === 0 ? null : costUsd;
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

/** Messages whose blocks may still come: those of all sub-agents. */
const MESSAGES_MAX = 1_000;

interface Tokens {
  readonly input: number;
  readonly output: number;
}

/**
 * Tokens of the messages so far. A message is printed block by block, each with the same preview of its usage: the input is
 * final, the output a lower bound. Enough for a limit, and not for a bill.
 */
export class MessageCounts {
  readonly #open = new Map<string, Tokens>();
  #input = 0;
  #output = 0;

  add({ id, usage }: JsonObject, isCachedExtra: boolean): void {
    if (typeof id !== 'string' || id === '') return;
    const said = objectOf(usage);
    const known = this.#open.get(id) ?? { input: 0, output: 0 };
    const cached =
      (amount(said.cache_read_input_tokens) ?? 0) + (amount(said.cache_creation_input_tokens) ?? 0);
    const input = (amount(said.input_tokens) ?? 0) + (isCachedExtra ? cached : 0);
    const now = {
      input: Math.max(known.input, input),
      output: Math.max(known.output, amount(said.output_tokens) ?? 0),
    };
    this.#input += now.input - known.input;
    this.#output += now.output - known.output;
    this.#open.delete(id);
    this.#open.set(id, now);
    const [oldest] = this.#open.keys();
    if (this.#open.size > MESSAGES_MAX && oldest !== undefined) this.#open.delete(oldest);
  }

  /** The usage with no fewer tokens than those of the messages. */
  atLeast(usage: Usage): Usage {
    return {
      ...usage,
      inputTokens: Math.max(usage.inputTokens ?? 0, this.#input),
      outputTokens: Math.max(usage.outputTokens ?? 0, this.#output),
    };
  }
}
