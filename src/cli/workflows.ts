import { loadConfig } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { checkWorkflowId, isWorkflowId } from '../model/ids.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import { workflowTraceLinks } from '../model/trace-url.ts';
import {
  isFailure,
  type StoredWorkflow,
  WORKFLOW_SORTS,
  type WorkflowQuery,
  type WorkflowSort,
} from '../model/workflow.ts';
import type { Reader } from '../serve/reader.ts';
import { openRecords } from './open-records.ts';
import { readPastTime } from './past-time.ts';
import { ageText, secondsText, UNKNOWN } from './terminal/amounts.ts';
import { isText, textOf, timeOf } from './terminal/cell-text.ts';
import { say } from './terminal/say.ts';
import { type Cell, type Column, createTable } from './terminal/table.ts';
import { outputWidth, paintFor } from './terminal/terminal.ts';
import { TerminalStream } from './terminal/terminal-stream.ts';
import { escapeJson, escapeLine, type Style } from './terminal/terminal-text.ts';

export interface WorkflowsFlags {
  readonly dir?: string;
  readonly status?: string;
  readonly workItem?: string;
  readonly project?: string;
  readonly query?: string;
  readonly sort?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

/** How many workflows are listed by default: a screen of them. */
const LIMIT = 20;

/** Workflows per page while the beginning of an id is looked up. */
const PAGE_MAX = 500;

/** Ids in the message about an ambiguous beginning. */
const CANDIDATES_MAX = 5;

const LIST_COLUMNS: readonly Column[] = [
  { title: 'ID', rank: 0 },
  { title: 'STATUS', rank: 1 },
  { title: 'AGE', rank: 2, align: 'right' },
  { title: 'NAME', rank: 3, widthMax: 20 },
  { title: 'WORK ITEM', rank: 5, widthMax: 20 },
  { title: 'TIME', rank: 6, align: 'right' },
  { title: 'TASKS', rank: 7, align: 'right' },
  { title: 'PROJECT', rank: 8, widthMax: 20 },
  { title: 'AT', rank: 4, widthMax: 40 },
];

const NODE_COLUMNS: readonly Column[] = [
  { title: 'PHASE', rank: 0 },
  { title: 'STEP', rank: 0 },
  { title: 'STATUS', rank: 0 },
  { title: 'TIME', rank: 1, align: 'right' },
  { title: 'ATTEMPT', rank: 2, align: 'right' },
];

/** Lists the workflows of the log directory, or shows one, from its files: no service has to run. Returns the exit code. */
export async function printWorkflows(wanted: string | undefined, flags: WorkflowsFlags): Promise<number> {
  const query = readQuery(flags, Date.now());
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  const { traceUrls } = config;
  const { place: logDir, reader } = await openRecords(config, flags.dir);
  const out = new TerminalStream(1);
  if (wanted === undefined) await out.write(await listText(reader, query, { logDir, flags }));
  else
    await out.write(
      showText(await readWanted(reader, wanted, logDir), { traceUrls, isJson: flags.json === true }),
    );
  return 0;
}

function readQuery(flags: WorkflowsFlags, nowMs: number): WorkflowQuery {
  const { limit = String(LIMIT), since, until } = flags;
  if (!/^[1-9]\d{0,4}$/.test(limit)) throw invalid('--limit: must be a whole number from 1 to 99999');
  for (const name of ['status', 'workItem', 'project', 'query'] as const)
    if (flags[name] === '') throw invalid(`--${name === 'workItem' ? 'work-item' : name}: must not be empty`);
  return {
    status: flags.status,
    work_item_id: flags.workItem,
    project: flags.project,
    q: flags.query,
    sort: readSort(flags.sort),
    since: since === undefined ? undefined : readPastTime('--since', since, nowMs),
    until: until === undefined ? undefined : readPastTime('--until', until, nowMs),
    limit: Number(limit),
  };
}

function readSort(value: string | undefined): WorkflowSort | undefined {
  const known = WORKFLOW_SORTS.find((name) => name === value);
  if (value !== undefined && known === undefined)
    throw invalid(`--sort: must be one of ${WORKFLOW_SORTS.join(', ')}`);
  return known;
}

async function listText(
  reader: Reader,
  query: WorkflowQuery,
  { logDir, flags }: { readonly logDir: string; readonly flags: WorkflowsFlags },
): Promise<string> {
  const { items, nextCursor } = await reader.listWorkflows(query);
  if (items.length === 0) {
    const { items: all } = await reader.listWorkflows({ limit: 1 });
    const directory = logDir;
    const advice =
      all.length > 0
        ? `no workflow in ${directory} matches: change or leave out a filter`
        : `no workflows yet in ${directory}: record one (tasktrail workflow start), or use --dir`;
    say(advice);
    return '';
  }
  if (nextCursor !== null && flags.limit === undefined)
    say(`these are the first ${items.length}: --limit shows more`);
  if (flags.json === true) return items.map((item) => `${escapeJson(JSON.stringify(item))}\n`).join('');
  const nowMs = Date.now();
  return tableText(
    LIST_COLUMNS,
    items.map((item) => listCells(item, nowMs)),
  );
}

function listCells(item: JsonObject, nowMs: number): readonly Cell[] {
  const { workflow_id, status, name, work_item_id, project, phase, step } = item;
  const startedMs = timeOf(item.started_at);
  const taskIds = Array.isArray(item.task_ids) ? item.task_ids : [];
  const place = [phase, step].filter(isText).map(escapeLine).join('/');
  return [
    { text: textOf(workflow_id) },
    { text: textOf(status), style: styleOf(status) },
    { text: startedMs === undefined ? UNKNOWN : ageText(nowMs - startedMs) },
    { text: textOf(name) },
    { text: textOf(work_item_id) },
    { text: timeText(item.started_at, item.completed_at, nowMs) },
    { text: String(taskIds.length) },
    { text: textOf(project) },
    { text: place },
  ];
}

/** The workflow with this id, or the only one whose id begins with it. */
async function readWanted(reader: Reader, wanted: string, logDir: string): Promise<StoredWorkflow> {
  const exact = isWorkflowId(wanted) ? await reader.readWorkflow(wanted) : undefined;
  if (exact !== undefined) return exact;
  const start = checkWorkflowId(wanted);
  const found: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await reader.listWorkflows({ limit: PAGE_MAX, cursor });
    for (const { workflow_id: id } of page.items)
      if (typeof id === 'string' && (id.startsWith(start) || id.startsWith(`workflow-${start}`)))
        found.push(id);
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  if (found.length > 1) {
    const more = found.length > CANDIDATES_MAX ? `, and ${found.length - CANDIDATES_MAX} more` : '';
    throw invalid(
      `several workflows begin with ${start}: ${found.slice(0, CANDIDATES_MAX).join(', ')}${more}`,
    );
  }
  const [id] = found;
  const workflow = id === undefined ? undefined : await reader.readWorkflow(id);
  if (workflow === undefined)
    throw new TasktrailError(
      'ERR_NOT_FOUND',
      `there is no workflow ${start} in ${logDir}: "tasktrail workflows" lists them, --dir names another directory`,
    );
  return workflow;
}

function showText(
  { state, events, document, upload }: StoredWorkflow,
  { traceUrls, isJson }: { readonly traceUrls: readonly string[]; readonly isJson: boolean },
): string {
  const links = workflowTraceLinks(traceUrls, { workflow_id: state.workflow_id, trace_id: state.trace_id });
  if (isJson) return `${escapeJson(JSON.stringify({ ...document, ...state, events, upload, links }))}\n`;
  const missing = Object.entries(state.completeness).flatMap(([name, isSet]) => (isSet ? [name] : []));
  const fields: readonly (readonly [string, string | null | undefined])[] = [
    ['workflow', state.workflow_id],
    ['name', state.name],
    ['status', state.status],
    ['work item', state.work_item_id],
    ['started', state.started_at],
    ['completed', state.completed_at],
    ['time', timeText(state.started_at, state.completed_at, Date.now())],
    ['attempt', state.attempt > 1 ? String(state.attempt) : null],
    ['tasks', state.task_ids.join(', ') || null],
    ['events', String(events.length)],
    ['artifacts', artifactsOf(events) || null],
    ['incomplete', missing.join(', ') || null],
    ['upload', upload && `${upload.status}${upload.url === null ? '' : ` ${upload.url}`}`],
    ['trace', links.trace ?? state.trace_id],
  ];
  const header = fields.flatMap(([name, value]) =>
    isText(value) ? [`${name.padEnd(11)}${escapeLine(value)}\n`] : [],
  );
  const nowMs = Date.now();
  const rows = state.levels
    .slice(1)
    .map(({ phase, step, status, started_at, completed_at, attempt }) => [
      { text: textOf(phase) },
      { text: step === null ? '' : escapeLine(step) },
      { text: status === null ? 'running' : escapeLine(status), style: styleOf(status ?? 'running') },
      { text: timeText(started_at, completed_at, nowMs) },
      { text: String(attempt) },
    ]);
  return header.join('') + (rows.length === 0 ? '' : `\n${tableText(NODE_COLUMNS, rows)}`);
}

function artifactsOf(events: StoredWorkflow['events']): string {
  return events
    .flatMap(({ event_type: type, payload }) => {
      if (type !== 'artifact_create') return [];
      const { type: kind, path, url } = objectOf(objectOf(payload).artifact);
      return [[kind, path ?? url].filter(isText).join(' ')];
    })
    .join(', ');
}

function tableText(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const table = createTable(columns, rows, { width: outputWidth(), paint: paintFor(1) });
  return [table.header, ...rows.map((cells) => table.row(cells))].map((line) => `${line}\n`).join('');
}

function timeText(started: unknown, completed: unknown, nowMs: number): string {
  const startedMs = timeOf(started);
  return startedMs === undefined
    ? UNKNOWN
    : secondsText(Math.max(0, (timeOf(completed) ?? nowMs) - startedMs) / 1_000);
}

function styleOf(status: unknown): Style | undefined {
  if (typeof status !== 'string') return undefined;
  if (isFailure(status)) return 'red';
  const styles: Readonly<Record<string, Style>> = { success: 'green', running: 'cyan' };
  return styles[status] ?? 'yellow';
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
