import { parseObject } from '../../../model/json.ts';
import { isMark } from '../../../model/sender.ts';
import type { FlowWindow, WindowQuery } from '../../../model/task-reading.ts';
import { type Line, NEWLINE } from '../../../system/lines.ts';
import type { StoredBytes } from '../../places/stored-bytes.ts';
import { isBlankLine, storedText } from '../../task-file.ts';
import { isName } from './line-name.ts';

/** A larger window is left to the index: its texts are held until they are sent. */
const WINDOW_BYTES_MAX = 4 * 1_048_576;

/** Where the lines before an end are longer than this together, there are too many damaged ones. */
const BACK_BYTES_MAX = 4 * WINDOW_BYTES_MAX;

/** Bytes that are searched for an id at once, and read for the last lines at first. */
const STEP_BYTES = 1_048_576;
const TAIL_BYTES = 65_536;

interface Found {
  readonly text: string;
  readonly id: string;
  readonly start: number;
  readonly bytes: number;
}

/** Lines from the beginning or from the end of a search. */
class Lines {
  readonly found: Found[] = [];
  /** Damaged lines before each line that was found, and behind the last one. */
  readonly skipped: number[] = [0];
  bytes = 0;
  /** A line that only the index can place: one without an id, or that another one may stand for. */
  isUnsure = false;

  add(line: Line): void {
    const text = storedText(line);
    if (text === undefined) {
      if (!isBlankLine(line)) this.skipped.push((this.skipped.pop() ?? 0) + 1);
      return;
    }
    const { event_id: id, sender } = parseObject(text) ?? {};
    if (typeof id !== 'string' || id === '' || isMark(sender)) this.isUnsure = true;
    const bytes = line.end - line.start;
    this.found.push({ text, id: String(id), start: line.start, bytes });
    this.skipped.push(0);
    this.bytes += bytes;
    if (this.bytes > WINDOW_BYTES_MAX) this.isUnsure = true;
  }
}

/**
 * A window of a file that has no index yet: read from the beginning or from the end, or from a line that is searched by its id.
 * Undefined when only the index can answer: then nothing is known of the window.
 */
export async function searchWindow(
  bytes: StoredBytes,
  { after, before, tail, limit }: WindowQuery,
): Promise<Omit<FlowWindow, 'close'> | undefined> {
  const size = await bytes.size();
  if (size === undefined) return undefined;
  if (tail !== undefined) return backward(bytes, size, { size, count: tail, isEnd: true });
  // Only the index knows which of the two comes first.
  if (after !== undefined && before !== undefined) return undefined;
  if (after === undefined && before === undefined) return forward(bytes, 0, { size, count: limit });
  const id = after ?? before ?? '';
  const line = id.startsWith('@') ? undefined : await findLine(bytes, size, id);
  if (line === undefined) return undefined;
  if (after !== undefined) return forward(bytes, line.end, { size, count: limit });
  return backward(bytes, line.start, { size, count: limit, isEnd: false });
}

async function forward(
  bytes: StoredBytes,
  from: number,
  { size, count }: { readonly size: number; readonly count: number },
): Promise<Omit<FlowWindow, 'close'> | undefined> {
  const lines = new Lines();
  let number = -1;
  for await (const batch of bytes.lines(from)) {
    for (const line of batch) {
      lines.add(line);
      number += 1;
      if (lines.isUnsure) return undefined;
      if (lines.found.length < count) continue;
      // A link behind a damaged line has its number.
      if (from > 0 && lines.skipped[0] !== 0) return undefined;
      const isLast = line.end >= size;
      // Whether a later line has the same id, all of the file would have to be read for.
      const next = from === 0 ? `@${number}` : undefined;
      return windowOf(lines, { bytes, size, hasNext: !isLast, hasPrevious: from > 0, next });
    }
  }
  // Fewer than asked for: the end of the file was read too.
  if (lines.found.length === 0 || (from > 0 && lines.skipped[0] !== 0)) return undefined;
  return windowOf(lines, { bytes, size, hasNext: false, hasPrevious: from > 0 });
}

async function backward(
  bytes: StoredBytes,
  end: number,
  { size, count, isEnd }: { readonly size: number; readonly count: number; readonly isEnd: boolean },
): Promise<Omit<FlowWindow, 'close'> | undefined> {
  for (let length = TAIL_BYTES; ; length *= 4) {
    const from = Math.max(0, end - length);
    const lines = await linesBetween(bytes, from, end);
    if (lines.isUnsure) return undefined;
    const more = lines.found.length - count;
    if (more <= 0 && from > 0 && length < BACK_BYTES_MAX) continue;
    if (more <= 0 && from > 0) return undefined;
    // Damaged lines before the first line of the window are not counted for it.
    lines.found.splice(0, Math.max(0, more));
    if (more > 0) lines.skipped.splice(0, more + 1);
    if (lines.found.length === 0 || (!isEnd && lines.skipped.at(-1) !== 0)) return undefined;
    return windowOf(lines, { bytes, size, hasNext: !isEnd, hasPrevious: more > 0 });
  }
}

/** The lines that begin behind an offset and end before another one. */
async function linesBetween(bytes: StoredBytes, from: number, end: number): Promise<Lines> {
  const lines = new Lines();
  let isCut = from > 0;
  for await (const batch of bytes.lines(from)) {
    for (const line of batch) {
      if (line.start >= end) return lines;
      if (!isCut) lines.add(line);
      isCut = false;
      if (lines.isUnsure) return lines;
    }
  }
  return lines;
}

interface Around {
  readonly bytes: StoredBytes;
  readonly size: number;
  readonly hasNext: boolean;
  readonly hasPrevious: boolean;
  /** The name of the last line, where it is known. */
  readonly next?: string | undefined;
}

async function windowOf(
  { found, skipped }: Lines,
  { bytes, size, hasNext, hasPrevious, next }: Around,
): Promise<Omit<FlowWindow, 'close'> | undefined> {
  const [first, last] = [found[0], found.at(-1)];
  const linked = [hasPrevious ? first : undefined, hasNext && next === undefined ? last : undefined];
  for (const line of linked) if (line !== undefined && !(await isNamed(bytes, size, line))) return undefined;
  return {
    skippedLines: skipped.reduce((sum, count) => sum + count, 0),
    // Only the index knows them.
    firstLine: undefined,
    lineCount: undefined,
    leftOut: undefined,
    next: hasNext ? (next ?? last?.id) : undefined,
    previous: hasPrevious ? first?.id : undefined,
    lines: async function* () {
      for (const { text } of found) yield text;
    },
  };
}

/** Whether the id of a line leads to this very line, and to no later one. */
async function isNamed(bytes: StoredBytes, size: number, { id, start }: Found): Promise<boolean> {
  return isName(id) && (await findLine(bytes, size, id))?.start === start;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The last line with an id. Undefined without one, for one that is not written as we write it, and where it cannot be told. */
async function findLine(bytes: StoredBytes, size: number, id: string): Promise<Range | undefined> {
  const wanted = Buffer.from(`"event_id":${JSON.stringify(id)}`);
  const room = Buffer.allocUnsafeSlow(STEP_BYTES + wanted.length);
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - STEP_BYTES);
    // An id may lie over the border of two steps.
    const step = await readInto(room, bytes, { from, to: Math.min(size, end + wanted.length) });
    for (let at = step.lastIndexOf(wanted); at >= 0; at = at === 0 ? -1 : step.lastIndexOf(wanted, at - 1)) {
      const start = step.subarray(0, at).lastIndexOf(NEWLINE) + 1;
      // Of a line that begins before the step nothing is known, and an earlier one would be the wrong one.
      if (start === 0 && from > 0) return undefined;
      const line = await rangeAt(bytes, from + start, id);
      if (line !== undefined) return line;
    }
    end = from;
  }
  return undefined;
}

/** The line that begins there, when it has the id: an object in it may have it too. */
async function rangeAt(bytes: StoredBytes, start: number, id: string): Promise<Range | undefined> {
  for await (const [line] of bytes.lines(start))
    if (line !== undefined) return parseObject(storedText(line))?.event_id === id ? line : undefined;
  return undefined;
}

async function readInto(
  room: Buffer,
  bytes: StoredBytes,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Buffer> {
  let length = 0;
  for await (const piece of bytes.pieces(from)) {
    length += piece.copy(room, length, 0, Math.min(piece.length, to - from - length));
    if (length >= to - from) break;
  }
  return room.subarray(0, length);
}
