import { basename, isAbsolute } from 'node:path';
import { type JsonObject, objectOf } from '../../model/json.ts';
import { firstOfText } from '../../model/text.ts';
import { secondsText } from '../terminal/amounts.ts';
import { row, type Sheet } from './sheet.ts';

/** Lines for the tool calls of a phase, so that five phases are half a screen. */
const TOOL_LINES_MAX = 2;

/** Failed calls that get a line of their own when there are more calls than lines. */
const FAILED_LINES_MAX = 2;

/** Characters of a tool's input, so that its result keeps room on the line. */
const INPUT_CHARS_MAX = 50;

/** A phase of the workflow that has ended. */
export interface EndedPhase {
  readonly name: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt: string;
}

/** The phases that have ended, in the order of their ends. */
export function endedPhases(events: readonly JsonObject[]): readonly EndedPhase[] {
  const started = new Map<string, string>();
  const ended: EndedPhase[] = [];
  for (const { event_type: type, timestamp, payload } of events) {
    const { phase: name } = objectOf(payload);
    if (typeof name !== 'string' || typeof timestamp !== 'string') continue;
    if (type === 'phase_start') started.set(name, timestamp);
    const startedAt = started.get(name);
    if (type === 'phase_complete' && startedAt !== undefined)
      ended.push({ name, startedAt, endedAt: timestamp });
  }
  return ended;
}

/**
 * What an agent did in one phase, in a few lines: how long it took and what the agent said first, then its tool calls,
 * each with the beginning of its result; of many calls the first one and those that failed. `output` is the whole output
 * of the task.
 */
export function phaseLines(
  phase: EndedPhase,
  output: readonly JsonObject[],
  sheet: Sheet,
): readonly string[] {
  const { name, startedAt, endedAt } = phase;
  const own = output.filter(
    ({ timestamp: at }) => typeof at === 'string' && at >= startedAt && at <= endedAt,
  );
  const seconds = secondsText((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000);
  const said = own.find(({ type }) => type === 'output') ?? own.find(({ type }) => type === 'result');
  return [row(sheet, name, `${seconds} ${contentOf(said)}`), ...toolLines(own, sheet)];
}

function toolLines(output: readonly JsonObject[], sheet: Sheet): readonly string[] {
  const results = new Map(
    output.flatMap((line) => (line.type === 'tool_result' ? [[line.tool_use_id, line] as const] : [])),
  );
  const calls = output.flatMap((call) => {
    if (call.type !== 'tool_call') return [];
    const result = call.tool_use_id === undefined ? undefined : results.get(call.tool_use_id);
    return [{ call, result, isFailed: result?.is_error === true }];
  });
  const [first, ...later] = calls;
  const failed = later.filter(({ isFailed }) => isFailed).slice(0, FAILED_LINES_MAX);
  const shown = calls.length <= TOOL_LINES_MAX || first === undefined ? calls : [first, ...failed];
  const lines = shown.map(({ call, result, isFailed }) =>
    row(sheet, '', callText(call, result), isFailed ? 'red' : 'dim'),
  );
  const rest = calls.filter((call) => !shown.includes(call)).map(({ call }) => toolName(call));
  if (rest.length > 0)
    lines.push(row(sheet, '', `${rest.length} more tool calls: ${countNames(rest)}`, 'dim'));
  return lines;
}

/** `Read README.md -> # tasktrail (+40 lines)`. */
function callText(call: JsonObject, result: JsonObject | undefined): string {
  const { tool_input: input } = call;
  // The first text names the file, the command or the pattern in the tools of the common agents.
  const subject = Object.values(objectOf(input)).find((value) => typeof value === 'string');
  const asked = subject ?? (input === undefined ? '' : JSON.stringify(input));
  const [first = '', ...more] = contentOf(result).trim().split('\n');
  const got = `${first}${more.length > 0 ? ` (+${more.length} lines)` : ''}`;
  const name = isAbsolute(asked) && !/\s/.test(asked) ? basename(asked) : asked;
  const short = name.length > INPUT_CHARS_MAX ? `${firstOfText(name, INPUT_CHARS_MAX - 1)}\u2026` : name;
  return [toolName(call), short, ...(got === '' ? [] : ['->', got])].filter((part) => part !== '').join(' ');
}

/** `Read x2, Grep`: each name once, in the order of its first place. */
export function countNames(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count === 1 ? name : `${name} x${count}`)).join(', ');
}

function toolName({ tool_name: name }: JsonObject): string {
  return typeof name === 'string' ? name : 'tool';
}

function contentOf(line: JsonObject | undefined): string {
  const content = line?.content;
  if (content === undefined || content === null) return '';
  return typeof content === 'string' ? content : JSON.stringify(content);
}
