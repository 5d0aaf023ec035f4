import { TasktrailError } from '../../../errors.ts';
import { type JsonObject, parseObject } from '../../../model/json.ts';
import { compareMarks, isMark } from '../../../model/sender.ts';
import type { FlowWindow, WindowQuery } from '../../../model/task-reading.ts';
import type { Line } from '../../../system/lines.ts';
import { unreadable } from '../../file-errors.ts';
import { idHash } from '../../places/line-hash.ts';
import type { OffsetIndex } from '../../places/offset-index.ts';
import { openBytes, type StoredBytes } from '../../places/stored-bytes.ts';
import type { NamedFile } from '../../stored-file.ts';
import { isBlankLine, storedText } from '../../task-file.ts';
import type { Indexes } from './indexes.ts';
import { isName } from './line-name.ts';
import { searchWindow } from './search-window.ts';

/** A window ends before this many bytes of lines, however many lines were asked for. A longer line is a window of its own. */
const WINDOW_BYTES_MAX = 16 * 1_048_576;

/** Texts up to this many bytes are kept from the search of a window, so that it is read once. */
const TEXT_BYTES_MAX = 1_048_576;

/** `@12`: the thirteenth line of the file, for lines that have no id of their own. */
const NUMBER = /^@(\d{1,15})$/;

/** A line of the window. */
interface Kept {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  readonly id: string | undefined;
  readonly isMarked: boolean;
  /** Undefined in a large window. */
  readonly text: string | undefined;
}

interface OpenFile {
  readonly bytes: StoredBytes;
  readonly index: OffsetIndex;
  /** One more than the lines of the index when the last line has no newline. */
  readonly lines: number;
}

/** Opens a part of a line file. Undefined without the file; `ERR_GONE` when it has no line of that id. */
export async function openWindow(
  file: NamedFile,
  query: WindowQuery,
  indexes: Indexes,
): Promise<FlowWindow | undefined> {
  const bytes = await openBytes(file);
  if (bytes === undefined) return undefined;
  try {
    const soon = await indexes.soon(file, bytes);
    const found = soon === undefined ? await searchWindow(bytes, query) : undefined;
    if (found !== undefined) {
      // The next windows need it.
      const indexed = indexes.of(file, bytes).catch(() => undefined);
      return { ...found, close: async () => void indexed.then(() => bytes.close()).catch(() => undefined) };
    }
    const index = soon ?? (await indexes.of(file, bytes));
    const size = (await bytes.size()) ?? index.size;
    const opened = { bytes, index, lines: index.lines + (size > index.size ? 1 : 0) };
    const window = await locate(opened, query);
    return {
      ...window.answer,
      lines: () => textsOf(opened, window.kept),
      close: () => bytes.close(),
    };
  } catch (error) {
    await bytes.close();
    throw error instanceof TasktrailError ? error : unreadable(file.what, error);
  }
}

interface Located {
  readonly kept: readonly Kept[];
  readonly answer: Omit<FlowWindow, 'lines' | 'close'>;
}

async function locate(file: OpenFile, query: WindowQuery): Promise<Located> {
  const { after, before, tail, limit } = query;
  const scan = new Scan(file);
  let end = file.lines;
  if (after !== undefined && before !== undefined) {
    end = await numberOf(file, 'before', before);
    await scan.forward((await numberOf(file, 'after', after)) + 1, limit, end);
  } else if (before !== undefined || tail !== undefined) {
    const last = before === undefined ? file.lines : await numberOf(file, 'before', before);
    await scan.backward(last, tail ?? limit);
  } else {
    await scan.forward(after === undefined ? 0 : (await numberOf(file, 'after', after)) + 1, limit);
  }
  const copies = await copiesIn(file, scan.kept);
  const kept = scan.kept.filter(({ number }) => !copies.has(number));
  const { from, to } = scan;
  /** The id of a line where it leads to this very line: else a link could lead back, or pass over lines. */
  const name = async (number: number): Promise<string> => {
    const id = kept.find((one) => one.number === number)?.id;
    const isSure = id !== undefined && isName(id) && (await findNumber(file, id)) === number;
    return isSure ? id : `@${number}`;
  };
  return {
    kept,
    answer: {
      skippedLines: scan.skipped,
      firstLine: from,
      lineCount: file.lines,
      leftOut: gapsOf(kept, from, to),
      next: to < end && to > 0 ? await name(to - 1) : undefined,
      previous: from > 0 ? await name(from) : undefined,
    },
  };
}

/** The runs of numbers from `from` to before `to` that no kept line has. */
function gapsOf(kept: readonly Kept[], from: number, to: number): readonly (readonly [number, number])[] {
  const gaps: [number, number][] = [];
  let next = from;
  for (const number of [...kept.map((line) => line.number), to]) {
    if (number > next) gaps.push([next, number - 1]);
    next = number + 1;
  }
  return gaps;
}

/** Goes through lines and keeps the valid ones. */
class Scan {
  kept: Kept[] = [];
  skipped = 0;
  /** Numbers of the first line and of the one behind the last. */
  from = 0;
  to = 0;
  /** Bytes of the texts that are kept. */
  #textBytes = 0;
  readonly #file: OpenFile;

  constructor(file: OpenFile) {
    this.#file = file;
  }

  async forward(from: number, limit: number, end: number = this.#file.lines): Promise<void> {
    this.from = Math.min(from, this.#file.lines);
    this.to = this.from;
    let bytes = 0;
    for await (const { line, number } of linesFrom(this.#file, this.from)) {
      if (number >= end) return;
      // A line over the limit is left out, and takes no room.
      bytes += line.bytes?.length ?? 0;
      if (bytes > WINDOW_BYTES_MAX && number > this.from) return;
      this.to = number + 1;
      this.#take(line, number);
      if (this.kept.length >= limit) return;
    }
    this.to = Math.max(this.to, this.#file.lines);
  }

  /** Reads pieces from the back to the front until there are enough lines. */
  async backward(to: number, limit: number): Promise<void> {
    const { index } = this.#file;
    this.to = to;
    this.from = to;
    const skippedAt: number[] = [];
    let bytes = 0;
    let later: Kept[] = [];
    while (this.from > 0 && later.length < limit && bytes < WINDOW_BYTES_MAX) {
      const end = this.from;
      const { line: start } = index.startBefore(end - 1);
      this.kept = [];
      for await (const { line, number } of linesFrom(this.#file, start)) {
        if (number >= end) break;
        const before = this.skipped;
        this.#take(line, number);
        if (this.skipped > before) skippedAt.push(number);
      }
      later = [...this.kept, ...later];
      bytes = later.reduce((sum, one) => sum + one.end - one.start, 0);
      this.from = start;
    }
    while (later.length > limit || (bytes > WINDOW_BYTES_MAX && later.length > 1)) {
      const first = later.shift();
      bytes -= first === undefined ? 0 : first.end - first.start;
      this.from = later[0]?.number ?? to;
    }
    // Pieces may begin before the window.
    this.skipped = skippedAt.filter((number) => number >= this.from).length;
    this.kept = later;
  }

  #take(line: Line, number: number): void {
    const text = storedText(line);
    if (text === undefined) {
      if (!isBlankLine(line)) this.skipped += 1;
      return;
    }
    const { event_id: id, sender } = parseObject(text) ?? {};
    const { start, end } = line;
    const name = typeof id === 'string' && id !== '' ? id : undefined;
    this.#textBytes += end - start;
    const isHeld = this.#textBytes <= TEXT_BYTES_MAX;
    this.kept.push({
      number,
      start,
      end,
      id: name,
      isMarked: isMark(sender),
      text: isHeld ? text : undefined,
    });
  }
}

/** The lines from a number on, whole ones and a last one without its newline. */
async function* linesFrom(
  { bytes, index, lines }: OpenFile,
  from: number,
): AsyncGenerator<{ readonly line: Line; readonly number: number }> {
  if (from >= lines) return;
  const start = index.startBefore(from);
  let number = start.line;
  for await (const batch of bytes.lines(start.offset)) {
    for (const line of batch) {
      if (number >= from && number < lines) yield { line, number };
      number += 1;
      if (number >= lines) return;
    }
  }
}

async function* textsOf(file: OpenFile, kept: readonly Kept[]): AsyncGenerator<string> {
  const [first] = kept;
  const last = kept.at(-1);
  if (first === undefined || last === undefined) return;
  const texts = kept.map(({ text }) => text).filter((text) => text !== undefined);
  if (texts.length === kept.length) {
    yield* texts;
    return;
  }
  let at = 0;
  for await (const { line, number } of linesFrom(file, first.number)) {
    if (number !== kept[at]?.number) continue;
    const text = storedText(line);
    // Changed meanwhile, by another program.
    if (text !== undefined) yield text;
    at += 1;
    if (number >= last.number) return;
  }
}

/** Number of the line with an id: of several, the last one stands for the others. */
async function numberOf(file: OpenFile, parameter: string, id: string): Promise<number> {
  const number = NUMBER.exec(id)?.[1];
  if (number !== undefined && Number(number) < file.lines) return Number(number);
  const found = await findNumber(file, id);
  if (found !== undefined) return found;
  throw new TasktrailError('ERR_GONE', `${parameter}: no line of this file has that id`);
}

async function findNumber(file: OpenFile, id: string): Promise<number | undefined> {
  // The last one without its newline is in no index.
  const last = file.lines - 1;
  if (last >= file.index.lines && (await readLine(file, last))?.event_id === id) return last;
  const hash = idHash(id);
  // The index may be wrong about a line, never the file.
  for (let line = file.index.lastWith(hash); line >= 0; line = file.index.lastWith(hash, line))
    if ((await readLine(file, line))?.event_id === id) return line;
  return undefined;
}

async function readLine(file: OpenFile, number: number): Promise<JsonObject | undefined> {
  for await (const { line } of linesFrom(file, number)) return parseObject(storedText(line));
  return undefined;
}

/** Numbers of the lines that a later line stands for: the same record, from a sender with more rights. */
async function copiesIn(file: OpenFile, kept: readonly Kept[]): Promise<ReadonlySet<number>> {
  const copies = new Set<number>();
  const marked = kept.filter(({ isMarked, id }) => isMarked && id !== undefined);
  const [first] = marked;
  if (first === undefined) return copies;
  const numbers = new Map<number, number[]>();
  for (const { id, number } of marked) {
    const hash = idHash(id ?? '');
    numbers.set(hash, [...(numbers.get(hash) ?? []), number]);
  }
  const known = new Set(marked.map(({ number }) => number));
  for (const number of file.index.allWith(new Set(numbers.keys()), first.number)) {
    const others = (numbers.get(file.index.hashAt(number)) ?? []).filter((own) => own < number);
    if (others.length === 0) continue;
    const line = await readLine(file, number);
    const sender = isMark(line?.sender) ? line.sender : undefined;
    for (const own of others) {
      const copy = await readLine(file, own);
      if (copy?.event_id !== line?.event_id || !isMark(copy?.sender)) continue;
      if (compareMarks(sender, copy.sender) < 0) copies.add(own);
    }
    if (known.size === copies.size) break;
  }
  return copies;
}
