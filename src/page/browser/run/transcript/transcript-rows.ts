import type { CallPairs } from './call-pairs.ts';
import type { LoadedLine } from './loaded-line.ts';

/** What is shown together. `numbers`: of its lines, the first one first. */
export type TranscriptRow = {
  readonly key: string;
  readonly numbers: readonly number[];
  /** `tool_use_id` of the call that started the sub-agent whose row this is. */
  readonly parent: string | undefined;
} & (
  | { readonly kind: 'terminal' | 'system'; readonly lines: readonly LoadedLine[] }
  | { readonly kind: 'text' | 'thinking' | 'error' | 'result'; readonly line: LoadedLine }
  | { readonly kind: 'tool'; readonly call: LoadedLine | undefined; readonly result: LoadedLine | undefined }
  | { readonly kind: 'attempt'; readonly attempt: number }
);

/** Rows of the lines of a page. A result stands in the row of its call, in whichever page that is. */
export function rowsOf(
  lines: readonly LoadedLine[],
  pairs: Pick<CallPairs, 'resultOf' | 'callOf'>,
  before?: LoadedLine,
): readonly TranscriptRow[] {
  const rows: TranscriptRow[] = [];
  let last = before;
  for (const line of lines) {
    const attempt = attemptOf(line);
    if (attempt !== (last === undefined ? 1 : attemptOf(last)))
      rows.push({ kind: 'attempt', attempt, key: `a${line.number}`, numbers: [], parent: undefined });
    const kind = kindOf(line, last);
    if (kind === 'terminal' || kind === 'system') addLine(rows, kind, line);
    else if (kind === 'result') addResult(rows, line);
    else if (kind !== 'tool') rows.push({ kind, line, ...common([line]) });
    else if (line.line.type === 'tool_call') {
      const result = pairs.resultOf(line);
      rows.push({ kind, call: line, result, ...common(result === undefined ? [line] : [line, result]) });
    } else if (pairs.callOf(line) === undefined)
      rows.push({ kind, call: undefined, result: line, ...common([line]) });
    last = line;
  }
  return rows;
}

function common(lines: readonly LoadedLine[]): Pick<TranscriptRow, 'key' | 'numbers' | 'parent'> {
  const [first] = lines;
  const numbers = lines.map(({ number }) => number);
  return { key: `l${first?.number ?? 0}`, numbers, parent: parentOf(first) };
}

/** Joins it to the row before when that is of the same kind. */
function addLine(rows: TranscriptRow[], kind: 'terminal' | 'system', line: LoadedLine): void {
  const last = rows.at(-1);
  if (last?.kind === kind && last.parent === parentOf(line)) {
    const lines = [...last.lines, line];
    rows[rows.length - 1] = { ...last, kind, lines, numbers: [...last.numbers, line.number] };
  } else rows.push({ kind, lines: [line], ...common([line]) });
}

/** Agents end with a result that says their last message again: it is shown once. */
function addResult(rows: TranscriptRow[], line: LoadedLine): void {
  const at = rows.findLastIndex(({ kind }) => kind !== 'system');
  const last = rows[at];
  const isSame = last?.kind === 'text' && last.line.line.content.trim() === line.line.content.trim();
  const said = isSame ? rows.splice(at, 1)[0]?.numbers : undefined;
  const own = common([line]);
  rows.push({ kind: 'result', line, ...own, numbers: [...(said ?? []), ...own.numbers] });
}

function kindOf(loaded: LoadedLine, last: LoadedLine | undefined): Exclude<TranscriptRow['kind'], 'attempt'> {
  const { line } = loaded;
  switch (line.type) {
    case 'tool_call':
    case 'tool_result':
      return 'tool';
    case 'thinking':
    case 'error':
    case 'result':
      return line.type;
    case 'system':
      return line.stream === 'stderr' ? 'terminal' : 'system';
    case 'output':
      return isOfProgram(loaded, last) ? 'terminal' : 'text';
    default:
      return 'system';
  }
}

/** Output of a program keeps its newline; a message of a model has none. The last line of a program may lack it. */
function isOfProgram({ line, isPlain }: LoadedLine, last: LoadedLine | undefined): boolean {
  if (isPlain || line.partial === true || line.stream === 'stderr') return true;
  return last?.line.type === 'output' && (last.isPlain || last.line.partial === true);
}

export function attemptOf({ line: { attempt } }: LoadedLine): number {
  return typeof attempt === 'number' ? attempt : 1;
}

function parentOf(line: LoadedLine | undefined): string | undefined {
  const id = line?.line.parent_tool_use_id;
  return typeof id === 'string' ? id : undefined;
}
