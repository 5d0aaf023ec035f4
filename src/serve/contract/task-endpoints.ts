import { z } from 'zod';
import { compareQuery } from '../compare.ts';
import { taskOrderBody } from '../intake.ts';
import { streamQuery, tasksStreamQuery } from '../stream/stream-query.ts';
import { windowQuery } from '../stream/window-query.ts';
import { facetsQuery, statsQuery, taskListQuery } from '../task-query.ts';
import { deliveryListQuery } from '../webhooks.ts';
import { comparison } from './compare-shapes.ts';
import { type Endpoint, type EndpointAnswer, type HeaderName, json } from './endpoint.ts';
import {
  accepted,
  cancelled,
  deliveryPage,
  facets,
  finalResult,
  fullTask,
  metadata,
  outputLine,
  span,
  stageLine,
  stats,
  task,
  taskEvents,
  taskInput,
  taskPage,
  tasksEvents,
} from './task-shapes.ts';

const OF_TASK = ['ERR_ID_INVALID', 'ERR_NOT_FOUND'] as const;
const SKIPPED: readonly HeaderName[] = ['Task-Logs-Skipped-Lines'];
const WINDOW: readonly HeaderName[] = [
  'Link',
  'Task-Logs-First-Line',
  'Task-Logs-Left-Out',
  'Task-Logs-Lines',
  ...SKIPPED,
];

/** The answers of a stream. */
export function streamAnswers(
  events: Readonly<Record<string, z.ZodType>>,
): Readonly<Record<number, EndpointAnswer>> {
  return {
    200: { description: 'server-sent events: what is there, then what comes', content: { events } },
    204: { description: 'nothing more will come: do not connect again', content: 'nothing' },
  };
}

/** The problems of a stream. */
export const STREAM_ERRORS: Pick<Endpoint, 'otherErrors'> = {
  otherErrors: { 429: 'ERR_BUSY', 503: 'ERR_BUSY' },
};

/** Paths below `/api/tasks`, `/api/stats`, `/api/stream` and `/api/webhooks`, in the order of `docs/rest.md`. */
export const TASK_ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'listTasks',
    method: 'GET',
    path: '/api/tasks',
    summary: 'List and search tasks',
    query: taskListQuery,
    answer:
      '`{items, next_cursor}`: the metadata of each task with `message`, `repo`, `success`, `error`, `error_type`, `cost_usd`, `cost_basis`, tokens, `duration_seconds` and [`activity`](#activity), newest first',
    answers: { 200: json('a page of tasks', taskPage) },
    errors: ['ERR_BUSY'],
    paging: 'cursor',
  },
  {
    name: 'getStats',
    method: 'GET',
    path: '/api/stats',
    summary: 'Numbers of tasks by group',
    query: statsQuery,
    answer: '`{group_by, rows, left_out}`: numbers of tasks by group',
    answers: { 200: json('a row for each group', stats) },
    errors: ['ERR_NOT_CONFIGURED', 'ERR_BUSY'],
  },
  {
    name: 'getFacets',
    method: 'GET',
    path: '/api/facets',
    summary: 'The values of fields, each with its number of tasks',
    query: facetsQuery,
    answer:
      '`{facets}`: for each field of `of` its values with the number of tasks, counted as if the query named none of this field ([facets](search.md#facets))',
    answers: { 200: json('the values of each field, the most frequent first', facets) },
    errors: ['ERR_NOT_CONFIGURED', 'ERR_BUSY'],
  },
  {
    name: 'submitTask',
    method: 'POST',
    path: '/api/tasks',
    summary: 'Queue a task',
    body: taskOrderBody,
    answer: '202 `{status, task_ids}`, and the address of the task in `Location`',
    answers: { 202: json('the task is queued', accepted, ['Location']) },
    errors: [
      'ERR_TOO_LARGE',
      'ERR_TYPE_UNSUPPORTED',
      'ERR_ENCODING_UNSUPPORTED',
      'ERR_NOT_CONFIGURED',
      'ERR_QUEUE_UNAVAILABLE',
    ],
    otherErrors: { 408: 'ERR_INPUT_INVALID' },
  },
  {
    name: 'getTask',
    method: 'GET',
    path: '/api/tasks/{id}',
    summary: 'One task',
    answer: 'its metadata, with `links`, `cost_basis` and [`activity`](#activity)',
    answers: { 200: json('the metadata of the task, and links to its parts', task) },
    errors: OF_TASK,
  },
  {
    name: 'cancelTask',
    method: 'POST',
    path: '/api/tasks/{id}/cancel',
    summary: 'Cancel a task',
    answer:
      '`{task_id, status}`: 200 `cancelled` (it had not begun), 202 `cancelling` (its agent is being ended), 409 when it is over or not in the queue of this service',
    answers: {
      200: json('it had not begun, and will not', cancelled),
      202: json('its agent is being ended', cancelled),
    },
    errors: [
      ...OF_TASK,
      'ERR_CONFLICT',
      'ERR_TYPE_UNSUPPORTED',
      'ERR_NOT_CONFIGURED',
      'ERR_QUEUE_UNAVAILABLE',
    ],
  },
  {
    name: 'getMetadata',
    method: 'GET',
    path: '/api/tasks/{id}/logs/metadata',
    summary: 'The metadata of a task',
    answer: '`metadata.json`; 404 while the file is missing',
    answers: { 200: json('`metadata.json`', metadata) },
    errors: OF_TASK,
  },
  {
    name: 'getInput',
    method: 'GET',
    path: '/api/tasks/{id}/logs/input',
    summary: 'The input of a task',
    answer: '`01-input.json`; 404 while the file is missing',
    answers: { 200: json('`01-input.json`', taskInput) },
    errors: OF_TASK,
  },
  {
    name: 'streamTask',
    method: 'GET',
    path: '/api/tasks/{id}/stream',
    summary: 'Follow a task',
    query: streamQuery,
    answer:
      'server-sent events: what is there, then what comes ([streams](#streams)); `after=now`: the documents, then only what comes',
    answers: streamAnswers(taskEvents),
    errors: [...OF_TASK, 'ERR_NOT_CONFIGURED'],
    ...STREAM_ERRORS,
  },
  {
    name: 'getTrace',
    method: 'GET',
    path: '/api/tasks/{id}/trace',
    summary: 'The spans of a task',
    answer: 'an array of its spans, each with `span_id` and `parent_span_id`; `[]` when there are none',
    answers: { 200: json('the spans', z.array(span), SKIPPED) },
    errors: OF_TASK,
  },
  {
    name: 'compareTask',
    method: 'GET',
    path: '/api/tasks/{id}/compare',
    summary: 'Compare two attempts or two tasks',
    query: compareQuery,
    answer:
      '`{a, b, first_divergence, differences, rows, cut}`: `with`, a task or the number of an attempt, beside this task ([side by side](#side-by-side))',
    answers: { 200: json('what differs', comparison) },
    errors: [...OF_TASK, 'ERR_BUSY'],
  },
  {
    name: 'getWebhookFlow',
    method: 'GET',
    path: '/api/tasks/{id}/logs/webhook-flow',
    summary: 'The stages of the webhook of a task',
    query: windowQuery,
    answer: 'an array of the lines of `02-webhook-flow.jsonl`, `[]` when there are none',
    answers: { 200: json('lines', z.array(stageLine), WINDOW) },
    errors: [...OF_TASK, 'ERR_GONE'],
    paging: 'link',
  },
  {
    name: 'getAgentOutput',
    method: 'GET',
    path: '/api/tasks/{id}/logs/agent-output',
    summary: 'The output of the agent of a task',
    query: windowQuery,
    answer: 'an array of the lines of `03-agent-output.jsonl`, `[]` when there are none',
    answers: { 200: json('lines', z.array(outputLine), WINDOW) },
    errors: [...OF_TASK, 'ERR_GONE'],
    paging: 'link',
  },
  {
    name: 'getFinalResult',
    method: 'GET',
    path: '/api/tasks/{id}/logs/final-result',
    summary: 'The result of a task',
    answer: '`04-final-result.json`; 404 while the file is missing',
    answers: { 200: json('`04-final-result.json`', finalResult) },
    errors: OF_TASK,
  },
  {
    name: 'getFullTask',
    method: 'GET',
    path: '/api/tasks/{id}/logs/full',
    summary: 'All files of a task',
    answer:
      '`{metadata, input, webhook_flow, agent_output, final_result}`; the key of a missing file is left out',
    answers: { 200: json('the files', fullTask, SKIPPED) },
    errors: OF_TASK,
  },
  {
    name: 'stream',
    method: 'GET',
    path: '/api/stream',
    summary: 'Follow the list of tasks, or several tasks',
    query: tasksStreamQuery,
    answer:
      'server-sent events: the changes of the list, and the events of each `task`, which may be repeated',
    answers: streamAnswers(tasksEvents),
    errors: [...OF_TASK, 'ERR_NOT_CONFIGURED'],
    ...STREAM_ERRORS,
  },
  {
    name: 'listDeliveries',
    method: 'GET',
    path: '/api/webhooks',
    summary: 'List deliveries of webhooks',
    query: deliveryListQuery,
    answer: '`{items, next_cursor}`: deliveries, newest first, also rejected ones',
    answers: { 200: json('a page of deliveries', deliveryPage) },
    paging: 'cursor',
  },
];
