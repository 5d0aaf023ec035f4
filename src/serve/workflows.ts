import { TasktrailError } from '../errors.ts';
import { checkWorkflowId, isPathSafeId, isWorkflowId } from '../model/ids.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';
import { workflowTraceLinks } from '../model/trace-url.ts';
import type { StoredWorkflow } from '../model/workflow.ts';
import { arrayText, objectText, sendJson, streamJson } from './json-response.ts';
import { askedOf, checkNoQuery } from './query.ts';
import type { Reader } from './reader.ts';
import type { Answer, Methods, RoutedRequest } from './routes.ts';
import { readEventsQuery, readFeedQuery, readWorkflowQuery } from './workflow-query.ts';

/** The routes under `/workflows`, and `/events`, the feed of the events of all workflows. */
export function workflowRoutes(
  reader: Reader,
  traceUrls: readonly string[],
): Readonly<Record<string, Methods>> {
  return {
    '/workflows': { GET: listWorkflows(reader, traceUrls) },
    '/workflows/:id': { GET: showWorkflow(reader, traceUrls) },
    '/workflows/:id/events': { GET: showEvents(reader) },
    '/events': { GET: showFeed(reader) },
  };
}

/** Links to workflows by id; invalid ids are left out. */
export function workflowLinks(baseUrl: string, ids: JsonValue | undefined): Record<string, string> {
  const links: Record<string, string> = {};
  for (const id of Array.isArray(ids) ? ids : []) {
    if (isWorkflowId(id)) links[id] = `${baseUrl}/workflows/${id}`;
  }
  return links;
}

function listWorkflows(reader: Reader, traceUrls: readonly string[]): Answer {
  return async (req, res) => {
    const url = req.url ?? '';
    const page = await reader.listWorkflows({ ...readWorkflowQuery(url), asked: askedOf(url) });
    const items = page.items.map((item) => ({ ...item, links: linksOf(req.baseUrl, item, traceUrls) }));
    sendJson(res, { status: 200, value: { items, next_cursor: page.nextCursor } });
  };
}

function showWorkflow(reader: Reader, traceUrls: readonly string[]): Answer {
  return async (req, res) => {
    checkNoQuery(req);
    const { state, events, document, upload, waitsFor = null } = await readFound(reader, req);
    const { workflow_id, task_ids, trace_id } = state;
    const links = linksOf(req.baseUrl, { workflow_id, task_ids, trace_id }, traceUrls);
    // For these two names the fields of the document win: they belong to the event that ended the workflow.
    const end = document && { attempt: document.attempt, trace_id: document.trace_id ?? state.trace_id };
    sendJson(res, {
      status: 200,
      value: { ...document, ...state, ...end, waits_for: waitsFor, events, upload, links },
    });
  };
}

function showEvents(reader: Reader): Answer {
  return async (req, res) => {
    const { type } = readEventsQuery(req.url ?? '');
    const { events } = await readFound(reader, req);
    const wanted = type === undefined ? events : events.filter((event) => event.event_type === type);
    await streamJson(res, arrayText(textsOf(wanted)), {});
  };
}

function showFeed(reader: Reader): Answer {
  return async (req, res) => {
    const page = await reader.readFeed(readFeedQuery(req.url ?? ''));
    const text = objectText([
      ['items', arrayText(page.items)],
      ['next_cursor', [JSON.stringify(page.nextCursor)]],
    ]);
    await streamJson(res, text, {});
  };
}

async function readFound(reader: Reader, req: RoutedRequest): Promise<StoredWorkflow> {
  const id = checkWorkflowId(req.params.id);
  const workflow = await reader.readWorkflow(id);
  if (workflow === undefined) throw new TasktrailError('ERR_NOT_FOUND', `there is no workflow ${id}`);
  return workflow;
}

function linksOf(baseUrl: string, workflow: JsonObject, traceUrls: readonly string[]): JsonObject {
  const { workflow_id: id, task_ids: taskIds } = workflow;
  const self = `${baseUrl}/workflows/${id}`;
  const tasks: Record<string, string> = {};
  for (const taskId of Array.isArray(taskIds) ? taskIds : []) {
    if (isPathSafeId(taskId)) tasks[taskId] = `${baseUrl}/tasks/${taskId}`;
  }
  return { self, events: `${self}/events`, tasks, ...workflowTraceLinks(traceUrls, workflow) };
}

function* textsOf(values: readonly unknown[]): Generator<string> {
  for (const value of values) yield JSON.stringify(value);
}
