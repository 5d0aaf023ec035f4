import type { JsonObject } from '../../model/json.ts';

/** What a running task waits for, as far as the end of its output shows. */
export interface Waiting extends JsonObject {
  /** `tool`: its result. `model`: its answer. `agent`: a program says nothing of what it does. `exit`: the last word is said. */
  readonly kind: 'tool' | 'model' | 'agent' | 'exit';
  /** Of the tool or the model; null: unknown. */
  readonly name: string | null;
  /** ISO 8601; null: nothing was printed so far. */
  readonly since: string | null;
}

interface Call {
  readonly id: string | undefined;
  readonly name: string | null;
  readonly since: string | null;
  /** Of the call of another agent in which this one is. */
  readonly parent: string | null;
}

/**
 * Reads the last lines of `03-agent-output.jsonl`, in their order. Text in the output decides nothing: only the type of a line and
 * the ids of tool calls count.
 */
export function waitingIn(lines: readonly JsonObject[], model: string | null): Waiting {
  const open = new Map<string, Call>();
  let unnamed: Call | undefined;
  let last: JsonObject | undefined;
  let isTyped = false;
  for (const line of lines) {
    if (!isOfAgent(line)) continue;
    const { type, tool_use_id: id } = line;
    const key = typeof id === 'string' ? id : undefined;
    if (type === 'tool_result' && key !== undefined) open.delete(key);
    // Without an id the next line, whatever it is, is taken for its result.
    unnamed = undefined;
    if (type === 'tool_call') {
      const call = {
        ...{ id: key, name: textOrNull(line.tool_name), since: textOrNull(line.timestamp) },
        parent: textOrNull(line.parent_tool_use_id),
      };
      if (key === undefined) unnamed = call;
      else open.set(key, call);
    }
    isTyped ||= type !== 'output' && type !== 'error';
    last = line;
  }
  const call = oldestOf([...open.values(), ...(unnamed === undefined ? [] : [unnamed])]);
  if (call !== undefined) {
    const { id, name, since } = call;
    const others = open.size + (unnamed === undefined ? 0 : 1) - 1;
    return {
      kind: 'tool',
      name,
      ...(id !== undefined && { tool_use_id: id }),
      since,
      ...(others > 0 && { others }),
    };
  }
  const since = textOrNull(last?.timestamp);
  if (last?.type === 'result') return { kind: 'exit', name: null, since };
  if (!isTyped) return { kind: 'agent', name: null, since };
  const retry = last?.subtype === 'api_retry' || last?.retry === true ? { retries: true } : {};
  return { kind: 'model', name: model, since, ...retry };
}

/** The call that is open for the longest time. One that waits for calls of another agent is not the answer. */
function oldestOf(calls: readonly Call[]): Call | undefined {
  return calls.find(({ id }) => id === undefined || !calls.some(({ parent }) => parent === id)) ?? calls[0];
}

/** Not its standard error, and not its telemetry, which comes late. */
function isOfAgent({ event, stream, budget, source, sender }: JsonObject): boolean {
  if (sender === 'anonymous' || budget !== undefined) return false;
  return (event === undefined || source !== undefined) && stream !== 'stderr';
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
