import { attemptIn } from '../model/attempt.ts';
import { canonicalJson } from '../model/canonical-json.ts';
import { type JsonObject, type JsonValue, parseObject, toJsonValue } from '../model/json.ts';
import { sha256 } from '../model/sha256.ts';
import type { CompareReader } from './compare-reader.ts';
import type { RunEntry } from './run-record.ts';
import { nameOf, numberOrNull, textOrNull } from './values.ts';

/** A line that may be a call or a result. Most lines are neither, and need not be parsed. */
const MAY_BE_TOOL = /"type"\s*:\s*"tool_/;

interface Attempt {
  readonly taskId: string;
  readonly attempt: number;
}

/** The tool calls of an attempt from the lines of its output, which are read one by one. */
export async function readToolCalls(
  reader: CompareReader,
  { taskId, attempt }: Attempt,
  { max, signal }: { readonly max: number; readonly signal: AbortSignal },
): Promise<{ readonly entries: readonly RunEntry[]; readonly leftOut: number }> {
  const calls = new ToolCalls(max);
  const flow = await reader.openFlow(taskId, 'agent-output');
  if (flow === undefined) return calls;
  try {
    for await (const text of flow.lines()) {
      signal.throwIfAborted();
      if (!MAY_BE_TOOL.test(text)) continue;
      const line = parseObject(text) ?? {};
      // Lines of the first attempt have no number.
      if ((attemptIn(line.attempt) ?? 1) === attempt) calls.add(line);
    }
  } finally {
    await flow.close();
  }
  return calls;
}

/** Calls with their results. */
class ToolCalls {
  readonly entries: RunEntry[] = [];
  leftOut = 0;
  readonly #max: number;
  /** Places of calls without a result, by their id. */
  readonly #open = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  add(line: JsonObject): void {
    const id = nameOf(line.tool_use_id) ?? '';
    if (line.type === 'tool_result') this.#end(id, line);
    else if (line.type === 'tool_call') this.#begin(id, line);
  }

  #begin(id: string, line: JsonObject): void {
    if (this.entries.length >= this.#max) {
      this.leftOut += 1;
      // The result of this call is not that of an earlier one with the same id.
      this.#open.delete(id);
      return;
    }
    this.#open.set(id, this.entries.length);
    this.entries.push({
      kind: 'tool',
      name: nameOf(line.tool_name) ?? 'tool',
      phase: null,
      at: textOrNull(line.timestamp) ?? '',
      seconds: null,
      isFailed: false,
      input: hashOf([line.tool_input ?? null, line.content ?? null]),
      result: '',
      eventId: nameOf(line.event_id),
    });
  }

  #end(id: string, line: JsonObject): void {
    const place = this.#open.get(id);
    const call = place === undefined ? undefined : this.entries[place];
    if (place === undefined || call === undefined) return;
    this.#open.delete(id);
    const ms = numberOrNull(Date.parse(textOrNull(line.timestamp) ?? '') - Date.parse(call.at));
    this.entries[place] = {
      ...call,
      seconds: ms === null ? null : Math.max(0, ms) / 1_000,
      isFailed: line.is_error === true,
      result: hashOf(line.content ?? null),
    };
  }
}

/** Equal for equal values; 64 bits are enough for some ten thousand of them. */
function hashOf(value: JsonValue): string {
  return sha256(jsonOf(value)).slice(0, 16);
}

function jsonOf(value: JsonValue): string {
  try {
    return canonicalJson(value);
  } catch {
    // Nested deeper than the stack.
    return canonicalJson(toJsonValue(value));
  }
}
