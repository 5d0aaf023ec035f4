import type { ServerResponse } from 'node:http';
import { TasktrailError } from '../errors.ts';
import { checkId } from '../model/ids.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import type { Flow, FlowWindow, TaskDocument, TaskFlow, WindowQuery } from '../model/task-reading.ts';
import { taskTraceLinks } from '../model/trace-url.ts';
import { compareRoutes } from './compare.ts';
import { type OpenApiPlace, openApiRoutes } from './contract/show.ts';
import { type HealthReader, healthRoutes } from './health.ts';
import { checkPageRequest, type Intake, readTaskOrder } from './intake.ts';
import { arrayText, type JsonEntry, objectText, sendJson, streamJson } from './json-response.ts';
import { notificationRoutes } from './notifications.ts';
import { askedOf, checkNoQuery } from './query.ts';
import type { Reader } from './reader.ts';
import { type Answer, createHandler, type HttpHandler, type Methods, type RoutedRequest } from './routes.ts';
import { type StreamLimits, StreamRooms } from './stream/rooms.ts';
import { type StreamTimes, streamRoutes } from './stream/routes.ts';
import { readWindowQuery, windowLinks } from './stream/window-query.ts';
import { readFacetsQuery, readStatsQuery, readTaskQuery } from './task-query.ts';
import { webhookRoutes } from './webhooks.ts';
import { WorkGate } from './work-gate.ts';
import { workflowLinks, workflowRoutes } from './workflows.ts';

export interface ServeLogsOptions {
  readonly reader: Reader;
  /** Without it `POST /tasks` answers 503. */
  readonly intake?: Intake | undefined;
  /** What `GET /health` answers. Without it 503. */
  readonly readHealth?: HealthReader | undefined;
  /** When given, requests need `Authorization: Bearer <token>`; GET and HEAD also accept it as a Basic password. */
  readonly token?: string | undefined;
  /** Origins whose pages may ask, as in `Config.corsOrigins`. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** URL templates for links to traces, as in `Config.traceUrls`. Default: none. */
  readonly traceUrls?: readonly string[] | undefined;
  /** What the OpenAPI document says about this server. Default: the version `0`, and no other paths than these. */
  readonly openApi?: OpenApiPlace | undefined;
  /** Bounds of streams. */
  readonly streams?: (StreamLimits & StreamTimes) | undefined;
  /** Receives internal errors, which the client sees only as a 500. Default: a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The handler, with its streams. */
export type LogsHandler = HttpHandler & {
  /** Ends the open streams and refuses new ones. Call it before the server is closed, which waits for them. */
  close(): void;
};

type Part =
  | { readonly key: string; readonly document: TaskDocument }
  | { readonly key: string; readonly flow: TaskFlow };

/**
 * The parts of a task, in the order of `full`. Metadata is read first and the result last. The store writes the result
 * before the final metadata, so a task with a final status always comes with its result.
 */
const PARTS: readonly Part[] = [
  { key: 'metadata', document: 'metadata' },
  { key: 'input', document: 'input' },
  { key: 'webhook_flow', flow: 'webhook-flow' },
  { key: 'agent_output', flow: 'agent-output' },
  { key: 'final_result', document: 'final-result' },
];

/** A search may look into the files of many tasks: some seconds of reading and of one core. A page asks three at once. */
const SEARCH_LIMITS = { runningMax: 6, waitingMax: 100 };

const SKIPPED_HEADER = 'Task-Logs-Skipped-Lines';
const LINES_HEADER = 'Task-Logs-Lines';
const FIRST_LINE_HEADER = 'Task-Logs-First-Line';
const LEFT_OUT_HEADER = 'Task-Logs-Left-Out';

/** More runs of lines would make a header that clients and proxies refuse. Windows of 100 lines have fewer. */
const LEFT_OUT_MAX = 200;

/**
 * The REST API: `/tasks`, `/workflows`, `/events`, `/webhooks`, `/notifications`, `/stats`, `/facets`, `/health`, `/stream` and `/openapi.json`, for Express 4,
 * Express 5 or a plain node:http server.
 */
export function serveLogs(options: ServeLogsOptions): LogsHandler {
  const { reader, intake, readHealth, traceUrls = [], streams = {}, token } = options;
  const { openApi = { version: '0', isService: false } } = options;
  const rooms = new StreamRooms(streams);
  const searches = new WorkGate('searches', SEARCH_LIMITS);
  const routes: Record<string, Methods> = {
    '/tasks': { GET: listTasks(reader, searches), POST: submitTask(intake) },
    '/stats': { GET: countTasks(reader, searches) },
    '/facets': { GET: countFacets(reader, searches) },
    '/tasks/:id': { GET: showTask(reader, traceUrls) },
    '/tasks/:id/trace': { GET: showTrace(reader) },
    '/tasks/:id/cancel': { POST: cancelTask(intake) },
    '/tasks/:id/logs/full': { GET: showFull(reader) },
    ...compareRoutes(reader),
    ...workflowRoutes(reader, traceUrls),
    ...webhookRoutes(reader),
    ...notificationRoutes(reader),
    ...healthRoutes(readHealth),
    ...streamRoutes(reader, rooms, streams),
    ...openApiRoutes(openApi, token !== undefined),
  };
  for (const part of PARTS) {
    routes[`/tasks/:id/logs/${pathOf(part)}`] = {
      GET: 'document' in part ? showDocument(reader, part.document) : showFlow(reader, part.flow),
    };
  }
  return Object.assign(createHandler(routes, { ...options, takesCookie: true }), {
    close: () => rooms.close(),
  });
}

function listTasks(reader: Reader, gate: WorkGate): Answer {
  return async (req, res) => {
    const url = req.url ?? '';
    const query = { ...readTaskQuery(url), asked: askedOf(url) };
    // Other lists are pages of the order that the files have.
    const isSearch = query.q !== undefined || (query.sort ?? 'created') !== 'created';
    const listed = isSearch
      ? await gate.runFor(res, (signal) => reader.listTasks(query, signal))
      : { value: await reader.listTasks(query) };
    if (listed === undefined) return;
    const { items, nextCursor } = listed.value;
    sendJson(res, { status: 200, value: { items, next_cursor: nextCursor } });
  };
}

function countTasks(reader: Reader, gate: WorkGate): Answer {
  return async (req, res) => {
    const query = readStatsQuery(req.url ?? '');
    if (reader.countTasks === undefined) throw doesNotCount();
    const counted = await gate.runFor(res, async (signal) => reader.countTasks?.(query, signal));
    if (counted?.value === undefined) return;
    const { rows, leftOut } = counted.value;
    sendJson(res, { status: 200, value: { group_by: query.groupBy, rows, left_out: leftOut } });
  };
}

function countFacets(reader: Reader, gate: WorkGate): Answer {
  return async (req, res) => {
    const query = readFacetsQuery(req.url ?? '');
    if (reader.countFacets === undefined) throw doesNotCount();
    const counted = await gate.runFor(res, async (signal) => reader.countFacets?.(query, signal));
    if (counted?.value !== undefined) sendJson(res, { status: 200, value: { facets: counted.value } });
  };
}

function doesNotCount(): TasktrailError {
  return new TasktrailError('ERR_NOT_CONFIGURED', 'the reader of this server does not count');
}

function submitTask(intake: Intake | undefined): Answer {
  return async (req, res) => {
    checkNoQuery(req);
    if (intake === undefined) {
      throw new TasktrailError('ERR_NOT_CONFIGURED', 'this server accepts no tasks: it has no queue');
    }
    const { taskId } = await intake.submit(await readTaskOrder(req));
    sendJson(res, {
      status: 202,
      value: { status: 'accepted', task_ids: [taskId] },
      headers: { Location: `${req.baseUrl}/tasks/${taskId}` },
    });
  };
}

function cancelTask(intake: Intake | undefined): Answer {
  return async (req, res) => {
    const id = taskIdOf(req);
    checkNoQuery(req);
    checkPageRequest(req);
    if (intake?.cancel === undefined) {
      throw new TasktrailError('ERR_NOT_CONFIGURED', 'this server runs no tasks: cancel it where it runs');
    }
    const status = await intake.cancel(id);
    sendJson(res, { status: status === 'cancelled' ? 200 : 202, value: { task_id: id, status } });
  };
}

function showTask(reader: Reader, traceUrls: readonly string[]): Answer {
  return async (req, res) => {
    const id = taskIdOf(req);
    checkNoQuery(req);
    const metadata = await reader.readDocument(id, 'metadata');
    if (metadata === undefined) throw missing(`task ${id}`);
    const logs = `${req.baseUrl}/tasks/${id}/logs`;
    const links: Record<string, unknown> = {};
    for (const part of PARTS) links[part.key] = `${logs}/${pathOf(part)}`;
    links.full = `${logs}/full`;
    Object.assign(links, taskTraceLinks(traceUrls, metadata));
    const workflows = workflowLinks(req.baseUrl, metadata.workflow_ids);
    const result = await readUndamaged(reader, id, 'final-result');
    const cost_basis = result === 'damaged' ? null : (objectOf(result?.metrics).cost_basis ?? null);
    const activity = (await reader.activityOf?.({ ...metadata, task_id: id })) ?? null;
    sendJson(res, {
      status: 200,
      value: { ...metadata, cost_basis, activity, links: { ...links, workflows } },
    });
  };
}

function showDocument(reader: Reader, document: TaskDocument): Answer {
  return async (req, res) => {
    const id = taskIdOf(req);
    checkNoQuery(req);
    const value = await reader.readDocument(id, document);
    if (value === undefined) throw missing(`${document} of task ${id}`);
    sendJson(res, { status: 200, value });
  };
}

/** Where a window is, and what lies around it. */
function windowHeaders(path: string, flow: FlowWindow, query: WindowQuery): Readonly<Record<string, string>> {
  return {
    ...windowLinks(path, flow, query),
    ...(flow.lineCount !== undefined && { [LINES_HEADER]: String(flow.lineCount) }),
    ...(flow.firstLine !== undefined && { [FIRST_LINE_HEADER]: String(flow.firstLine) }),
    ...leftOutHeader(flow.leftOut),
  };
}

function leftOutHeader(ranges: FlowWindow['leftOut'] = []): Readonly<Record<string, string>> {
  if (ranges.length === 0 || ranges.length > LEFT_OUT_MAX) return {};
  const texts = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  return { [LEFT_OUT_HEADER]: texts.join(',') };
}

function showFlow(reader: Reader, name: TaskFlow): Answer {
  return async (req, res) => {
    const id = taskIdOf(req);
    const query = readWindowQuery(req.url ?? '');
    const flow = query && (await reader.openWindow(id, name, query));
    const whole = query === undefined ? await reader.openFlow(id, name) : undefined;
    if (flow === undefined && whole === undefined)
      return sendNoLines(res, query, await reader.hasTask(id), id);
    const place = flow && query ? windowHeaders(`${req.baseUrl}/tasks/${id}/logs/${name}`, flow, query) : {};
    await sendFlow(res, flow ?? whole, place);
  };
}

/** A flow without a file: the task has no such lines yet, or never. */
function sendNoLines(
  res: ServerResponse,
  query: WindowQuery | undefined,
  isKnown: boolean,
  id: string,
): void {
  if (!isKnown) throw missing(`task ${id}`);
  const name = query?.after === undefined ? 'before' : 'after';
  if (query?.[name] !== undefined)
    throw new TasktrailError('ERR_GONE', `${name}: the task has no lines of this kind`);
  const place = query === undefined ? {} : { [LINES_HEADER]: '0', [FIRST_LINE_HEADER]: '0' };
  sendJson(res, { status: 200, value: [], headers: { ...place, [SKIPPED_HEADER]: '0' } });
}

function showTrace(reader: Reader): Answer {
  return async (req, res) => {
    const id = taskIdOf(req);
    checkNoQuery(req);
    const flow = await reader.openTrace(id);
    if (flow === undefined) throw missing(`task ${id}`);
    await sendFlow(res, flow, {});
  };
}

async function sendFlow(
  res: ServerResponse,
  flow: Flow | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  if (flow === undefined) return;
  try {
    await streamJson(res, arrayText(flow.lines()), {
      ...headers,
      [SKIPPED_HEADER]: String(flow.skippedLines),
    });
  } finally {
    await flow.close();
  }
}

function showFull(reader: Reader): Answer {
  return async (req, res) => {
    const id = taskIdOf(req);
    checkNoQuery(req);
    if (!(await reader.hasTask(id))) throw missing(`task ${id}`);
    await sendFull(res, reader, id);
  };
}

async function sendFull(res: ServerResponse, reader: Reader, id: string): Promise<void> {
  const found: JsonEntry[] = [];
  const flows: Flow[] = [];
  let skipped = 0;
  try {
    for (const part of PARTS) {
      if ('flow' in part) {
        const flow = await reader.openFlow(id, part.flow);
        if (flow === undefined) continue;
        flows.push(flow);
        skipped += flow.skippedLines;
        found.push([part.key, arrayText(flow.lines())]);
      } else {
        const document = await readUndamaged(reader, id, part.document);
        if (document === 'damaged') skipped += 1;
        else if (document !== undefined) found.push([part.key, [JSON.stringify(document)]]);
      }
    }
    await streamJson(res, objectText(found), { [SKIPPED_HEADER]: String(skipped) });
  } finally {
    for (const flow of flows) await flow.close();
  }
}

async function readUndamaged(
  reader: Reader,
  id: string,
  document: TaskDocument,
): Promise<JsonObject | 'damaged' | undefined> {
  try {
    return await reader.readDocument(id, document);
  } catch (error) {
    // One damaged file must not hide the rest of the task. A temporary failure (too many open files) is not damage.
    if (error instanceof TasktrailError && error.code === 'ERR_STORE_UNAVAILABLE' && !error.retryable) {
      return 'damaged';
    }
    throw error;
  }
}

function taskIdOf(req: RoutedRequest): string {
  return checkId('task id', req.params.id);
}

function pathOf(part: Part): string {
  return 'document' in part ? part.document : part.flow;
}

function missing(what: string): TasktrailError {
  return new TasktrailError('ERR_NOT_FOUND', `there is no ${what}`);
}
