import type { CallPairs } from '../call-pairs.ts';
import { type LoadedLine, loadedLine } from '../loaded-line.ts';
import { type NumberedLine, readLines } from './line-find.ts';

/** Lines of a request, and how far away other halves are looked for: some requests. Further ones stay apart. */
const LOOK_LINES = 500;
const FAR_LINES = 20_000;

/** Kept lines that were found. */
const KEPT_MAX = 1_000;

/**
 * The other halves of what is shown, where they are in pages that are not loaded: the result of a call, the call of a result, the
 * call that has started a sub-agent.
 */
export class OtherHalves {
  readonly #path: string;
  readonly #pairs: CallPairs;
  readonly #kept = new Map<number, LoadedLine>();
  /** Ids that are not above a line, by its number. */
  readonly #looked = new Set<string>();
  /** Up to which line the result of a call was looked for, by the number of the call. More lines may come. */
  readonly #seen = new Map<number, number>();

  constructor(path: string, pairs: CallPairs) {
    this.#path = path;
    this.#pairs = pairs;
  }

  /** The numbers of lines are others now. */
  clear(): void {
    this.#pairs.remove([...this.#kept.values()]);
    this.#kept.clear();
    this.#looked.clear();
    this.#seen.clear();
  }

  /** `lines`: those that are shown, in their order. `total`: of the file. Resolves to whether something was found. */
  async look(lines: readonly LoadedLine[], total: number, abort: AbortSignal): Promise<boolean> {
    const alone = lines.filter((line) => this.#isAlone(line));
    if (alone.length === 0) return false;
    // Those of a page that was dropped since are still known.
    this.#pairs.add([...this.#kept.values()]);
    await this.#lookAbove(lines, abort);
    await this.#lookBelow(lines, total, abort);
    return alone.some((line) => !this.#isAlone(line));
  }

  async #lookAbove(lines: readonly LoadedLine[], abort: AbortSignal): Promise<void> {
    const [first] = lines;
    const wanted = new Set<string>();
    for (const line of lines) {
      const id = idAbove(line, this.#pairs);
      if (id !== undefined && !this.#looked.has(`${line.number} ${id}`)) wanted.add(id);
      if (id !== undefined) this.#looked.add(`${line.number} ${id}`);
    }
    let before = first?.number ?? 0;
    const end = Math.max(0, before - FAR_LINES);
    while (wanted.size > 0 && before > end) {
      const found = await readLines(this.#path, { before }, { limit: LOOK_LINES, abort });
      if (abort.aborted || found.lines.length === 0) return;
      for (const one of [...found.lines].reverse())
        if (one.line.type === 'tool_call' && wanted.delete(String(one.line.tool_use_id))) this.#keep(one);
      before = found.from;
    }
  }

  async #lookBelow(lines: readonly LoadedLine[], total: number, abort: AbortSignal): Promise<void> {
    const behind = (lines.at(-1)?.number ?? total) + 1;
    const wanted = new Map<string, LoadedLine>();
    let from = total;
    for (const line of lines) {
      const { type, tool_use_id: id } = line.line;
      if (type !== 'tool_call' || typeof id !== 'string' || this.#pairs.resultOf(line) !== undefined)
        continue;
      wanted.set(id, line);
      from = Math.min(from, Math.max(behind, this.#seen.get(line.number) ?? behind));
    }
    const end = Math.min(total, behind + FAR_LINES);
    while (wanted.size > 0 && from < end) {
      const found = await readLines(this.#path, { from }, { limit: LOOK_LINES, abort });
      if (abort.aborted || found.lines.length === 0) return;
      for (const one of found.lines) {
        const id = String(one.line.tool_use_id);
        if (one.line.type === 'tool_result' && wanted.delete(id)) this.#keep(one);
        // The id of another turn: what follows belongs to that call.
        else if (one.line.type === 'tool_call') wanted.delete(id);
      }
      from = found.behind;
      for (const { number } of wanted.values()) this.#seen.set(number, from);
    }
  }

  #isAlone(line: LoadedLine): boolean {
    const isCall = line.line.type === 'tool_call';
    return (isCall && this.#pairs.resultOf(line) === undefined) || idAbove(line, this.#pairs) !== undefined;
  }

  #keep({ line, number }: NumberedLine): void {
    const loaded = loadedLine(line, number);
    this.#kept.set(number, loaded);
    this.#pairs.add([loaded]);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
  }
}

/** The id of a call that a line belongs to and that is not known. */
function idAbove(line: LoadedLine, pairs: CallPairs): string | undefined {
  const { type, tool_use_id: id, parent_tool_use_id: parent } = line.line;
  if (type === 'tool_result' && typeof id === 'string' && pairs.callOf(line) === undefined) return id;
  return typeof parent === 'string' && pairs.parentOf(line) === undefined ? parent : undefined;
}
