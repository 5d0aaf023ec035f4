import type { LoadedLine } from './loaded-line.ts';

interface Calls {
  /** Both in the order of the file. */
  readonly calls: LoadedLine[];
  readonly results: LoadedLine[];
}

const NEAR_MS = 1_000;

/**
 * Which result belongs to which call, among the loaded lines. An id may come again, in another attempt or another turn: a
 * result belongs to the last call with its id before it.
 */
export class CallPairs {
  readonly #ids = new Map<string, Calls>();

  add(lines: readonly LoadedLine[]): void {
    for (const line of lines) {
      const list = this.#listOf(line, true);
      if (list === undefined || list.some(({ number }) => number === line.number)) continue;
      list.push(line);
      list.sort((a, b) => a.number - b.number);
    }
  }

  remove(lines: readonly LoadedLine[]): void {
    for (const line of lines) {
      const list = this.#listOf(line, false);
      const at = list?.findIndex(({ number }) => number === line.number) ?? -1;
      if (at >= 0) list?.splice(at, 1);
      const { tool_use_id: id } = line.line;
      const entry = typeof id === 'string' ? this.#ids.get(id) : undefined;
      if (typeof id === 'string' && entry?.calls.length === 0 && entry.results.length === 0)
        this.#ids.delete(id);
    }
  }

  resultOf(call: LoadedLine): LoadedLine | undefined {
    const entry = this.#entryOf(call);
    if (entry === undefined) return undefined;
    const next = entry.calls.find(({ number }) => number > call.number)?.number ?? Number.POSITIVE_INFINITY;
    return entry.results.find(({ number }) => number > call.number && number < next);
  }

  callOf(result: LoadedLine): LoadedLine | undefined {
    const call = this.#entryOf(result)?.calls.findLast(({ number }) => number < result.number);
    return call !== undefined && this.resultOf(call)?.number === result.number ? call : undefined;
  }

  /** A call that was made about then: between it and its span lie some milliseconds. */
  callNear(id: string, atMs: number): LoadedLine | undefined {
    const far = ({ line }: LoadedLine): number => Math.abs(Date.parse(line.timestamp) - atMs);
    return this.#ids.get(id)?.calls.find((call) => far(call) <= NEAR_MS);
  }

  /** The call of a sub-agent whose line this is. */
  parentOf({ line, number }: LoadedLine): LoadedLine | undefined {
    const { parent_tool_use_id: id } = line;
    if (typeof id !== 'string') return undefined;
    return this.#ids.get(id)?.calls.findLast((call) => call.number < number);
  }

  #entryOf({ line: { tool_use_id: id } }: LoadedLine): Calls | undefined {
    return typeof id === 'string' ? this.#ids.get(id) : undefined;
  }

  #listOf({ line: { type, tool_use_id: id } }: LoadedLine, isMade: boolean): LoadedLine[] | undefined {
    if (typeof id !== 'string' || (type !== 'tool_call' && type !== 'tool_result')) return undefined;
    const entry = this.#ids.get(id) ?? { calls: [], results: [] };
    if (isMade) this.#ids.set(id, entry);
    return type === 'tool_call' ? entry.calls : entry.results;
  }
}
