import { loadConfig } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import { STATS_GROUPS, type StatsGroup } from '../model/task-reading.ts';
import { firstOfText } from '../model/text.ts';
import { openRecords } from './open-records.ts';
import { readPastTime } from './past-time.ts';
import { queryOf } from './query-words.ts';
import { costText, countText, secondsText, UNKNOWN } from './terminal/amounts.ts';
import { textOf } from './terminal/cell-text.ts';
import { say } from './terminal/say.ts';
import { type Cell, type Column, createTable } from './terminal/table.ts';
import { outputWidth, paintFor } from './terminal/terminal.ts';
import { TerminalStream } from './terminal/terminal-stream.ts';
import { escapeJson } from './terminal/terminal-text.ts';

export interface StatsFlags {
  readonly dir?: string;
  readonly groupBy?: string;
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

const GROUPS_MAX = 3;

const NUMBERS: readonly Column[] = [
  { title: 'COUNT', rank: 0, align: 'right' },
  { title: 'OK', rank: 1, align: 'right' },
  { title: 'FAILED', rank: 1, align: 'right' },
  { title: 'SUCCESS', rank: 2, align: 'right' },
  { title: 'COST', rank: 2, align: 'right' },
  { title: 'TOKENS', rank: 4, align: 'right' },
  { title: 'P50', rank: 3, align: 'right' },
  { title: 'P95', rank: 3, align: 'right' },
  { title: 'RETRIES', rank: 5, align: 'right' },
];

/** Prints numbers of the tasks that match, by group: no service has to run. Returns the exit code. */
export async function printStats(words: readonly string[], flags: StatsFlags): Promise<number> {
  const groupBy = readGroups(flags.groupBy ?? 'day');
  const nowMs = Date.now();
  const since = flags.since === undefined ? undefined : readPastTime('--since', flags.since, nowMs);
  const until = flags.until === undefined ? undefined : readPastTime('--until', flags.until, nowMs);
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  const { place, reader } = await openRecords(config, flags.dir);
  const stats = await reader.countTasks?.({ q: queryOf(words), groupBy, since, until });
  const { rows = [], leftOut = 0 } = stats ?? {};
  const out = new TerminalStream(1);
  if (flags.json === true)
    await out.write(rows.map((row) => `${escapeJson(JSON.stringify(row))}\n`).join(''));
  else if (rows.length > 0) await out.write(tableText(groupBy, rows));
  if (rows.length === 0) say(`no task in ${place} matches`);
  if (leftOut > 0) say(`${leftOut} more groups, which count least, are not shown`);
  return 0;
}

function readGroups(text: string): readonly StatsGroup[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !STATS_GROUPS.some((group) => group === name));
  if (unknown !== undefined)
    throw invalid(
      `--group-by: there is no group ${JSON.stringify(firstOfText(unknown, 40))}: use ${STATS_GROUPS.join(', ')}`,
    );
  const groups = STATS_GROUPS.filter((group) => names.includes(group));
  if (groups.length !== names.length || groups.length > GROUPS_MAX)
    throw invalid(`--group-by: name up to ${GROUPS_MAX} groups, each once`);
  return names.flatMap((name) => groups.filter((group) => group === name));
}

function tableText(groupBy: readonly StatsGroup[], rows: readonly JsonObject[]): string {
  const groups: readonly Column[] = groupBy.map((name) => ({
    title: name.toUpperCase(),
    rank: 0,
    widthMax: 40,
  }));
  const hasCalls = groupBy.includes('tool');
  const cells = rows.map((row) => [
    ...groupBy.map((name) => ({ text: textOf(row[name]) })),
    ...(hasCalls ? [{ text: countText(row.calls) }] : []),
    ...numbersOf(row),
  ]);
  const calls: readonly Column[] = hasCalls ? [{ title: 'CALLS', rank: 1, align: 'right' }] : [];
  const table = createTable([...groups, ...calls, ...NUMBERS], cells, {
    width: outputWidth(),
    paint: paintFor(1),
  });
  return [table.header, ...cells.map((row) => table.row(row))].map((line) => `${line}\n`).join('');
}

function numbersOf(row: JsonObject): readonly Cell[] {
  const { p50, p95 } = objectOf(row.duration_seconds);
  const { success_rate: rate, input_tokens: input, output_tokens: output } = row;
  const hasTokens = typeof input === 'number' || typeof output === 'number';
  return [
    { text: countText(row.count) },
    { text: countText(row.succeeded) },
    { text: countText(row.failed), style: row.failed === 0 ? undefined : 'red' },
    { text: typeof rate === 'number' ? `${Math.round(100 * rate)} %` : UNKNOWN },
    { text: costText(row.cost_usd) },
    { text: hasTokens ? `${countText(input)}/${countText(output)}` : UNKNOWN },
    { text: secondsText(p50) },
    { text: secondsText(p95) },
    { text: countText(row.retries) },
  ];
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
