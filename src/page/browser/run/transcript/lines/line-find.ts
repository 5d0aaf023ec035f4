import type { OutputLine } from '../../../../../client/api/shapes.ts';
import { readAnswer } from '../../../data/api.ts';
import { numbersOf } from './line-numbers.ts';

/** A line with its number in the file. */
export interface NumberedLine {
  readonly number: number;
  readonly line: OutputLine;
}

interface FoundLines {
  readonly lines: readonly NumberedLine[];
  /** Number of the first line, and the one behind the last, with lines that the answer leaves out. */
  readonly from: number;
  readonly behind: number;
  /** Of the file. */
  readonly total: number;
}

/** Lines of a request that looks for one of them. */
const FIND_LINES = 2_000;

/** Lines from a number on, or the last ones before a number. */
export async function readLines(
  path: string,
  where: { readonly from: number } | { readonly before: number },
  { limit = FIND_LINES, abort }: { readonly limit?: number; readonly abort: AbortSignal },
): Promise<FoundLines> {
  const query =
    'before' in where
      ? { before: `@${where.before}`, limit }
      : { after: where.from === 0 ? undefined : `@${where.from - 1}`, limit };
  const { value, headers } = await readAnswer<readonly OutputLine[]>(path, query, abort);
  const given = headers.get('task-logs-first-line');
  const from = given !== null ? Number(given) : 'from' in where ? where.from : 0;
  const { numbers, behind } = numbersOf(from, value.length, headers.get('task-logs-left-out'));
  return {
    lines: value.map((line, at) => ({ number: numbers[at] ?? from + at, line })),
    from,
    behind: Math.max(behind, from + value.length + Number(headers.get('task-logs-skipped-lines'))),
    total: Number(headers.get('task-logs-lines')),
  };
}

/** The call of a tool, by its id and about the time of its line. */
export interface WantedCall {
  readonly id: string;
  readonly atMs: number;
}

/**
 * The number of the line that makes a call; undefined without one. Lines are nearly in the order of their times, so that some
 * short requests lead near it; where that fails, all lines are read.
 */
export async function numberOfCall(
  path: string,
  { id, atMs, total }: WantedCall & { readonly total: number },
  abort: AbortSignal,
): Promise<number | undefined> {
  const near = await numberAt(path, { atMs, total }, abort);
  const around = await readLines(path, { from: Math.max(0, near - FIND_LINES / 2) }, { abort });
  const found = nearestCall(around.lines, { id, atMs });
  if (found !== undefined) return found.number;
  const all: NumberedLine[] = [];
  for (let from = 0; ; ) {
    const { lines, behind, total: now } = await readLines(path, { from }, { abort });
    all.push(...lines.filter(({ line }) => line.tool_use_id === id));
    from = behind;
    if (lines.length === 0 || from >= now) return nearestCall(all, { id, atMs })?.number;
  }
}

function nearestCall(lines: readonly NumberedLine[], { id, atMs }: WantedCall): NumberedLine | undefined {
  const far = ({ line }: NumberedLine): number => Math.abs(Date.parse(line.timestamp) - atMs);
  return lines
    .filter(({ line }) => line.type === 'tool_call' && line.tool_use_id === id)
    .sort((a, b) => far(a) - far(b))[0];
}

/** About the number of the first line of a time. */
async function numberAt(
  path: string,
  { atMs, total }: { readonly atMs: number; readonly total: number },
  abort: AbortSignal,
): Promise<number> {
  let [low, high] = [0, total];
  while (high - low > FIND_LINES / 2) {
    const middle = Math.floor((low + high) / 2);
    const { lines } = await readLines(path, { from: middle }, { limit: 1, abort });
    const at = Date.parse(lines[0]?.line.timestamp ?? '');
    if (at < atMs) low = middle;
    else high = middle;
  }
  return low;
}
