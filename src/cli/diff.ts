import { COMPARED_ROWS, type Comparison, compareRuns } from '../compare/compare-runs.ts';
import type { RunName } from '../compare/read-run.ts';
import { sideOfText } from '../compare/side-name.ts';
import { loadConfig } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { ATTEMPT_MAX, attemptIn } from '../model/attempt.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import { openRecords } from './open-records.ts';
import { pickTask, type TaskSource } from './task-pick.ts';
import { costText, countText, secondsText, UNKNOWN } from './terminal/amounts.ts';
import { textOf } from './terminal/cell-text.ts';
import { say } from './terminal/say.ts';
import { type Cell, type Column, createTable } from './terminal/table.ts';
import { outputWidth, paintFor } from './terminal/terminal.ts';
import { TerminalStream } from './terminal/terminal-stream.ts';
import { escapeJson, escapeLine } from './terminal/terminal-text.ts';

export interface DiffFlags {
  readonly dir?: string;
  readonly attempt?: string;
  readonly withAttempt?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

const TOTALS: readonly Column[] = [
  { title: 'DIFFERENCE', rank: 0, widthMax: 60 },
  { title: 'A', rank: 0, widthMax: 40 },
  { title: 'B', rank: 0, widthMax: 40 },
  { title: 'B - A', rank: 1, align: 'right' },
];

const ROWS: readonly Column[] = [
  { title: '#', rank: 0, align: 'right' },
  { title: 'A', rank: 0, widthMax: 60 },
  { title: 'B', rank: 0, widthMax: 60 },
  { title: 'DIFFERS', rank: 1 },
];

/**
 * Prints two runs side by side from their files: no service has to run. `b` is a task, or the number of an attempt of `a`. Returns
 * the exit code, which is 0 with and without a difference.
 */
export async function printDiff(a: string, b: string, flags: DiffFlags): Promise<number> {
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  const { place: logDir, reader, names } = await openRecords(config, flags.dir);
  const source = { logDir, reader, names };
  const { signal } = new AbortController();
  const compared = await compareRuns(source.reader, await sidesOf(source, [a, b], flags), {
    signal,
    rows: COMPARED_ROWS[flags.all === true ? 1 : 0],
  });
  const out = new TerminalStream(1);
  if (flags.json === true) await out.write(`${escapeJson(JSON.stringify(compared))}\n`);
  else await printTables(out, compared);
  return 0;
}

async function sidesOf(
  source: TaskSource,
  [a, b]: readonly [string, string],
  flags: DiffFlags,
): Promise<readonly [RunName, RunName]> {
  const taskId = await taskOf(source, a);
  const first = { taskId, attempt: readAttempt('--attempt', flags.attempt) };
  const { attempt, task } = sideOfText(b);
  const withAttempt = readAttempt('--with-attempt', flags.withAttempt);
  if (task !== undefined) return [first, { taskId: await taskOf(source, task), attempt: withAttempt }];
  if (withAttempt !== undefined) throw invalid(`--with-attempt: ${b} is an attempt already`);
  return [first, { taskId, attempt }];
}

async function taskOf(source: TaskSource, wanted: string): Promise<string> {
  const id = await pickTask(source, wanted);
  if (id !== undefined) return id;
  throw new TasktrailError(
    'ERR_NOT_FOUND',
    `there is no task ${escapeLine(wanted)} in ${escapeLine(source.logDir)}: "tasktrail tasks" lists them, --dir names another directory`,
  );
}

function readAttempt(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const attempt = /^\d{1,9}$/.test(text) ? attemptIn(Number(text)) : undefined;
  if (attempt === undefined) throw invalid(`${flag}: must be a number from 1 to ${ATTEMPT_MAX}`);
  return attempt;
}

async function printTables(out: TerminalStream, compared: Comparison): Promise<void> {
  const { differences, rows, first_divergence: first, cut } = compared;
  await out.write(`a: ${sideText(compared.a)}\nb: ${sideText(compared.b)}\n`);
  if (differences.length > 0) await out.write(`\n${tableText(TOTALS, differences.map(totalCells))}`);
  if (rows.length > 0) await out.write(`\n${tableText(ROWS, rows.map(rowCells))}`);
  if (differences.length === 0 && first === null) say('no difference');
  else if (first !== null) say(`the first divergence is #${numberText(first.number)}`);
  const hidden = compared.differences_left_out + compared.rows_left_out;
  if (hidden > 0) say(`${hidden} more differences or rows are not shown`);
  if (cut !== null) say(`not compared, as too many or too different: ${cut.a} entries of a, ${cut.b} of b`);
}

function sideText({ task_id: id, attempt, status, entries }: JsonObject): string {
  return escapeLine(
    `${textOf(id)}, attempt ${numberText(attempt)}, ${textOf(status)}, ${countText(entries)} phases, steps and calls`,
  );
}

function numberText(value: unknown): string {
  return typeof value === 'number' ? String(value) : UNKNOWN;
}

function tableText(columns: readonly Column[], cells: readonly (readonly Cell[])[]): string {
  const table = createTable(columns, cells, { width: outputWidth(), paint: paintFor(1) });
  return [table.header, ...cells.map((row) => table.row(row))].map((line) => `${line}\n`).join('');
}

function totalCells(row: JsonObject): readonly Cell[] {
  const { difference, phase, step, tool, artifact, a, b, b_minus_a: delta } = row;
  const place = [phase, step, tool, artifact].filter((name) => typeof name === 'string').join(' / ');
  return [
    { text: textOf(place === '' ? difference : `${textOf(difference)} of ${place}`) },
    { text: valueText(difference, a) },
    { text: valueText(difference, b) },
    { text: delta === undefined ? '' : signed(difference, delta) },
  ];
}

function valueText(difference: unknown, value: unknown): string {
  if (value === null) return UNKNOWN;
  if (typeof value !== 'number') return textOf(value);
  if (difference === 'cost_usd') return costText(value);
  return difference === 'seconds' ? secondsText(value) : countText(value);
}

function signed(difference: unknown, delta: unknown): string {
  if (typeof delta !== 'number') return UNKNOWN;
  return `${delta < 0 ? '-' : '+'}${valueText(difference, Math.abs(delta))}`;
}

function rowCells({ number, differs, a, b }: JsonObject): readonly Cell[] {
  const what = Array.isArray(differs) ? differs.join(', ') : '';
  return [
    { text: numberText(number) },
    { text: entryText(a) },
    { text: entryText(b) },
    { text: what, style: what === '' ? undefined : 'red' },
  ];
}

function entryText(value: unknown): string {
  if (value === null) return '';
  const { kind, name, phase, failed } = objectOf(value);
  const place = typeof phase === 'string' ? `${phase} / ` : '';
  return textOf(`${textOf(kind)} ${place}${textOf(name)}${failed === true ? ' (failed)' : ''}`);
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
