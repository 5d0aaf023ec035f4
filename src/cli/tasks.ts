import { statSync } from 'node:fs';
import { loadConfig } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { isTerminal, TASK_STATUSES, type TaskStatus } from '../model/documents.ts';
import { type FieldValue, fieldValues } from '../model/field-values.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import { TASK_SORTS, type TaskDocument, type TaskQuery, type TaskSort } from '../model/task-reading.ts';
import { firstOfText } from '../model/text.ts';
import { taskTraceLinks } from '../model/trace-url.ts';
import type { Reader } from '../serve/reader.ts';
import { mapBounded } from '../system/files/map-bounded.ts';
import { openRecords } from './open-records.ts';
import { readPastTime } from './past-time.ts';
import { queryOf } from './query-words.ts';
import { activityText } from './terminal/activity-text.ts';
import { ageText, costText, countText, secondsText, UNKNOWN } from './terminal/amounts.ts';
import { isText, textOf, timeOf } from './terminal/cell-text.ts';
import { say } from './terminal/say.ts';
import { type Cell, type Column, createTable, type Table } from './terminal/table.ts';
import { outputWidth, paintFor } from './terminal/terminal.ts';
import { TerminalStream } from './terminal/terminal-stream.ts';
import { escapeJson, escapeLine, type Style } from './terminal/terminal-text.ts';

export interface TasksFlags {
  readonly dir?: string;
  readonly status?: string;
  readonly source?: string;
  readonly provider?: string;
  readonly agent?: string;
  readonly since?: string;
  readonly until?: string;
  readonly sort?: string;
  readonly limit?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** How many tasks are listed by default: a screen of them. */
const LIMIT = 20;

/** Tasks per page of the reader. Each page opens every task's folder once, so there are few; one takes about 10 MB. */
const PAGE_MAX = 10_000;

/** Tasks whose input and result, which may be long, are in memory at the same time. */
const SHOWN_MAX = 200;

/** Cells of a message where standard output is no terminal: its first line identifies the task. */
const MESSAGE_WIDTH_MAX = 100;

/** Left out where the first tasks of the list are all over. */
const WAITS: Column = { title: 'WAITS', rank: 5, widthMax: 32 };

const COLUMNS: readonly Column[] = [
  { title: 'ID', rank: 0 },
  { title: 'STATUS', rank: 1 },
  { title: 'AGE', rank: 2, align: 'right' },
  WAITS,
  { title: 'COMMAND', rank: 4, widthMax: 16 },
  { title: 'FROM', rank: 8, widthMax: 20 },
  { title: 'AGENT', rank: 7, widthMax: 20 },
  { title: 'MODEL', rank: 11, widthMax: 24 },
  { title: 'TIME', rank: 9, align: 'right' },
  { title: 'COST', rank: 6, align: 'right' },
  { title: 'TOKENS', rank: 10, align: 'right' },
  { title: 'MESSAGE', rank: 3, widthMax: MESSAGE_WIDTH_MAX },
];

const STATUS_STYLES: Readonly<Record<TaskStatus, Style | undefined>> = {
  queued: undefined,
  running: 'cyan',
  waiting_input: 'yellow',
  abandoned: 'red',
  completed: 'green',
  failed: 'red',
  cancelled: 'yellow',
};

/** A task with the documents that the list shows. */
interface ListedTask {
  readonly metadata: JsonObject;
  readonly result: JsonObject | undefined;
  readonly message: string;
}

/** Prints the tasks of the log directory that match, newest first: no service has to run. Returns the exit code. */
export async function printTasks(words: readonly string[], flags: TasksFlags): Promise<number> {
  const query = { ...readQuery(flags, Date.now()), q: queryOf(words) };
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  const { traceUrls } = config;
  const { place, reader, names } = await openRecords(config, flags.dir);
  const out = new TerminalStream(1);
  let table: Table | undefined;
  let columns = COLUMNS;
  let count = 0;
  let isCut = false;
  const onCut = (): void => {
    isCut = true;
  };
  for await (const tasks of batchesOf(reader, query, { isAll: flags.all === true, onCut })) {
    const nowMs = Date.now();
    let text = '';
    if (flags.json === true) text = tasks.map((task) => jsonOf(task, traceUrls)).join('');
    else {
      if (table === undefined && !tasks.some(({ metadata }) => metadata.activity))
        columns = COLUMNS.filter((column) => column !== WAITS);
      const rows = tasks.map((task) =>
        cellsOf(task, nowMs).filter((_, index) => columns.includes(at(index))),
      );
      if (table === undefined && rows.length > 0) {
        table = createTable(columns, rows, { width: outputWidth(), paint: paintFor(1) });
        text = `${table.header}\n`;
      }
      for (const cells of rows) text += `${table?.row(cells) ?? ''}\n`;
    }
    count += tasks.length;
    await out.write(text);
    // The reader of the output has ended (`| head`).
    if (out.failure !== undefined) break;
  }
  // On standard error: a program that reads the list gets an empty one.
  if (count === 0) say(await describeEmpty(reader, place, names !== undefined));
  else if (isCut && flags.limit === undefined)
    say(`these are the first ${count}: --all shows all, --limit more`);
  return 0;
}

/** An empty directory and filters that match nothing need different advice. */
async function describeEmpty(reader: Reader, place: string, isStore: boolean): Promise<string> {
  const { items } = await reader.listTasks({ limit: 1 });
  if (items.length > 0) return `no task in ${place} matches: change or leave out a filter`;
  if (isStore) return `no tasks yet in ${place}: --dir reads a log directory`;
  const stat = statSync(place, { throwIfNoEntry: false });
  const note =
    stat === undefined ? ' (it does not exist yet)' : stat.isDirectory() ? '' : ' (it is not a directory)';
  return `no tasks yet in ${place}${note}: run one (tasktrail run -- <command>), start the service (tasktrail start), or use --dir`;
}

function readQuery(flags: TasksFlags, nowMs: number): TaskQuery {
  const { status } = flags;
  const isKnown = ({ text, isPrefix }: FieldValue): boolean =>
    isPrefix || TASK_STATUSES.some((name) => name === text);
  if (status !== undefined && !fieldValues(status).every(isKnown))
    throw invalid(`--status: must be one of ${TASK_STATUSES.join(', ')}, or several with commas`);
  if (flags.all === true && flags.limit !== undefined) throw invalid('give --limit or --all, not both');
  for (const name of ['source', 'provider', 'agent'] as const)
    if (flags[name] === '') throw invalid(`--${name}: must not be empty`);
  const since = flags.since === undefined ? undefined : readPastTime('--since', flags.since, nowMs);
  const until = flags.until === undefined ? undefined : readPastTime('--until', flags.until, nowMs);
  if (since !== undefined && until !== undefined && since >= until)
    throw invalid('--since: must be before --until');
  return {
    status,
    source: flags.source,
    provider: flags.provider,
    agent: flags.agent,
    since,
    until,
    sort: readSort(flags.sort),
    limit: readLimit(flags.limit),
  };
}

function readSort(value: string | undefined): TaskSort | undefined {
  const known = TASK_SORTS.find((name) => name === value);
  if (value !== undefined && known === undefined)
    throw invalid(`--sort: must be one of ${TASK_SORTS.join(', ')}`);
  return known;
}

function readLimit(value: string | undefined): number {
  if (value === undefined) return LIMIT;
  if (/^[1-9]\d{0,6}$/.test(value)) return Number(value);
  throw invalid('--limit: must be a whole number, at least 1; --all shows all of them');
}

async function* batchesOf(
  reader: Reader,
  query: TaskQuery,
  { isAll, onCut }: { readonly isAll: boolean; readonly onCut: () => void },
): AsyncGenerator<readonly ListedTask[]> {
  let left = isAll ? Number.POSITIVE_INFINITY : query.limit;
  for (let cursor: string | undefined; left > 0; ) {
    const page = await reader.listTasks({ ...query, cursor, limit: Math.min(left, PAGE_MAX) });
    for (let start = 0; start < page.items.length; start += SHOWN_MAX) {
      const items = page.items.slice(start, start + SHOWN_MAX);
      yield await mapBounded(items, (metadata) => readListed(reader, metadata));
    }
    left -= page.items.length;
    if (page.nextCursor === null) return;
    cursor = page.nextCursor;
  }
  onCut();
}

async function readListed(reader: Reader, metadata: JsonObject): Promise<ListedTask> {
  const id = String(metadata.task_id);
  const input = await readUndamaged(reader, id, 'input');
  return {
    metadata,
    result: await readUndamaged(reader, id, 'final-result'),
    message: typeof input?.message === 'string' ? input.message : '',
  };
}

async function readUndamaged(
  reader: Reader,
  id: string,
  document: TaskDocument,
): Promise<JsonObject | undefined> {
  try {
    return await reader.readDocument(id, document);
  } catch (error) {
    // One damaged file must not hide the list. `tasktrail logs` reports it.
    if (error instanceof TasktrailError && error.code === 'ERR_STORE_UNAVAILABLE') return undefined;
    throw error;
  }
}

function jsonOf({ metadata, result }: ListedTask, traceUrls: readonly string[]): string {
  const { success = null, error = null, metrics = null } = result ?? {};
  const links = taskTraceLinks(traceUrls, metadata);
  return `${escapeJson(JSON.stringify({ ...metadata, success, error, metrics, links }))}\n`;
}

function at(index: number): Column {
  return COLUMNS[index] ?? WAITS;
}

/** A cell for each of `COLUMNS`. */
function cellsOf({ metadata, result, message }: ListedTask, nowMs: number): readonly Cell[] {
  const metrics = objectOf(result?.metrics);
  const { input_tokens: input, output_tokens: output } = metrics;
  const createdMs = timeOf(metadata.created_at);
  const status = TASK_STATUSES.find((name) => name === metadata.status);
  const isTokensKnown = typeof input === 'number' || typeof output === 'number';
  return [
    { text: textOf(metadata.task_id) },
    { text: textOf(metadata.status), style: status && STATUS_STYLES[status] },
    { text: createdMs === undefined ? UNKNOWN : ageText(nowMs - createdMs) },
    { text: activityText(metadata.activity, nowMs) },
    { text: textOf(metadata.command) },
    { text: [metadata.source, metadata.provider].filter(isText).map(escapeLine).join('/') || UNKNOWN },
    { text: textOf(metadata.assigned_agent) },
    { text: textOf(metadata.model) },
    { text: secondsText(metrics.duration_seconds ?? secondsSoFar(metadata, nowMs)) },
    { text: costText(metrics.cost_usd) },
    { text: isTokensKnown ? `${countText(input)}/${countText(output)}` : UNKNOWN },
    { text: escapeLine(firstLine(message)) },
  ];
}

/** The running time of a task that is not over. */
function secondsSoFar({ status, started_at }: JsonObject, nowMs: number): number | null {
  const startedMs = timeOf(started_at);
  return isTerminal(status) || startedMs === undefined ? null : Math.max(0, nowMs - startedMs) / 1_000;
}

/** The message is cut before it is searched: it may be megabytes long. */
function firstLine(message: string): string {
  const line = firstOfText(message, 4 * MESSAGE_WIDTH_MAX).trimStart();
  return line.slice(0, /[\r\n]|$/.exec(line)?.index).trimEnd();
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
