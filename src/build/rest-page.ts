import { type ErrorCode, TasktrailError } from '../errors.ts';
import { problemStatus } from '../serve/problem.ts';

/** One row of the table in `docs/rest.md`. A test compares the rows with the routes of the running service. */
export interface RestRoute {
  readonly method: 'GET' | 'POST';
  /** From the root of the service, with `{name}` for a part of the path. */
  readonly path: string;
  /** Query parameters, all of them optional. */
  readonly query?: readonly string[];
  /** Fields of the JSON body; those with `?` are optional. */
  readonly body?: readonly string[];
  readonly answer: string;
}

const PAGE = ['limit', 'cursor'];
const TIMES = ['since', 'until'];
const TASK_FILTERS = [
  'status',
  'source',
  'provider',
  'agent',
  'model',
  'command',
  'repo',
  'workflow_id',
  'error_type',
  'cost_min',
  'cost_max',
  'duration_min',
  'duration_max',
  ...TIMES,
  'q',
];
const WINDOW = ['after', 'before', 'tail', 'limit'];

export const REST_ROUTES: readonly RestRoute[] = [
  {
    method: 'GET',
    path: '/api/tasks',
    query: [...TASK_FILTERS, 'sort', ...PAGE],
    answer:
      '`{items, next_cursor}`: the metadata of each task with `message`, `repo`, `success`, `error`, `error_type`, `cost_usd`, tokens and `duration_seconds`, newest first',
  },
  {
    method: 'GET',
    path: '/api/stats',
    query: ['group_by', ...TASK_FILTERS],
    answer: '`{group_by, rows, left_out}`: numbers of tasks by group',
  },
  {
    method: 'POST',
    path: '/api/tasks',
    body: ['message', 'agent?', 'command?'],
    answer: '202 `{status, task_ids}`, and the address of the task in `Location`',
  },
  { method: 'GET', path: '/api/tasks/{id}', answer: 'its metadata, with `links`' },
  {
    method: 'POST',
    path: '/api/tasks/{id}/cancel',
    answer:
      '`{task_id, status}`: 200 `cancelled` (it had not begun), 202 `cancelling` (its agent is being ended), 409 when it is over or not in the queue of this service',
  },
  {
    method: 'GET',
    path: '/api/tasks/{id}/logs/metadata',
    answer: '`metadata.json`; 404 while the file is missing',
  },
  {
    method: 'GET',
    path: '/api/tasks/{id}/logs/input',
    answer: '`01-input.json`; 404 while the file is missing',
  },
  {
    method: 'GET',
    path: '/api/tasks/{id}/stream',
    query: ['after'],
    answer: 'server-sent events: what is there, then what comes ([streams](#streams))',
  },
  {
    method: 'GET',
    path: '/api/tasks/{id}/trace',
    answer: 'an array of its spans, each with `span_id` and `parent_span_id`; `[]` when there are none',
  },
  {
    method: 'GET',
    path: '/api/tasks/{id}/logs/webhook-flow',
    query: WINDOW,
    answer: 'an array of the lines of `02-webhook-flow.jsonl`, `[]` when there are none',
  },
  {
    method: 'GET',
    path: '/api/tasks/{id}/logs/agent-output',
    query: WINDOW,
    answer: 'an array of the lines of `03-agent-output.jsonl`, `[]` when there are none',
  },
  {
    method: 'GET',
    path: '/api/tasks/{id}/logs/final-result',
    answer: '`04-final-result.json`; 404 while the file is missing',
  },
  {
    method: 'GET',
    path: '/api/tasks/{id}/logs/full',
    answer:
      '`{metadata, input, webhook_flow, agent_output, final_result}`; the key of a missing file is left out',
  },
  {
    method: 'GET',
    path: '/api/stream',
    query: ['task', 'list', ...TASK_FILTERS, 'limit', 'after'],
    answer:
      'server-sent events: the changes of the list, and the events of each `task`, which may be repeated',
  },
  {
    method: 'GET',
    path: '/api/webhooks',
    query: ['provider', 'outcome', 'event_type', 'task_id', ...TIMES, 'q', ...PAGE],
    answer: '`{items, next_cursor}`: deliveries, newest first, also rejected ones',
  },
  {
    method: 'GET',
    path: '/api/workflows',
    query: [
      ...['work_item_id', 'status', 'name', 'task_id', 'project', 'environment', ...TIMES],
      ...['duration_min', 'duration_max', 'q', 'sort', ...PAGE],
    ],
    answer: '`{items, next_cursor}`: workflows, newest first',
  },
  {
    method: 'GET',
    path: '/api/workflows/{id}',
    answer: 'where it stands, its events and, once it has ended, its document; also while it runs',
  },
  {
    method: 'GET',
    path: '/api/workflows/{id}/events',
    query: ['type'],
    answer: 'an array of its events',
  },
  {
    method: 'GET',
    path: '/api/workflows/{id}/stream',
    query: ['after'],
    answer: 'server-sent events: its state and its events',
  },
  {
    method: 'GET',
    path: '/api/events/stream',
    query: ['after', 'type'],
    answer: 'server-sent events: the events of all workflows; `after=now` only those that come',
  },
  {
    method: 'GET',
    path: '/api/events',
    query: ['after', 'type', 'limit'],
    answer: '`{items, next_cursor}`: events of all workflows, in the order of storing',
  },
  {
    method: 'POST',
    path: '/webhooks/{name}',
    answer:
      'for `github`, `jira`, `slack` and the senders of the configuration: 202 accepted, 200 nothing to do or already known, 400 malformed, 401 bad signature, 413 too large, 503 no secret or no queue',
  },
  { method: 'GET', path: '/healthz', answer: '200 while the process answers; needs no token' },
  {
    method: 'GET',
    path: '/readyz',
    answer:
      '200 `ready`, or 503 `not_ready` with the reason of each part; `notices`, the counts in `books`; needs no token',
  },
  { method: 'GET', path: '/metrics', answer: 'counters and gauges in the text format of Prometheus' },
];

/** What each code means to a client, or to a program that catches it. A new code does not compile without a sentence. */
const ERRORS: Readonly<Record<ErrorCode, string>> = {
  ERR_AGENT_FAILED: 'a run of an agent did not succeed; `outcome` of the error says how it ended',
  ERR_BUSY:
    'too many streams: 503 of all clients together, 429 of this one; close some, or come again after `Retry-After`',
  ERR_CONFIG_INVALID: 'a setting is wrong; the message lists every problem',
  ERR_CONFLICT: 'not possible in the present state, such as a cancel of a task that is over',
  ERR_DIRECTORY_HELD: 'another process holds the log directory; the message has its pid and address',
  ERR_DIRECTORY_UNUSABLE: 'the log directory cannot be made, read or written',
  ERR_ENCODING_UNSUPPORTED: 'the content encoding of the body is not supported',
  ERR_GONE: 'the cursor points to events that are no longer kept; start again without it',
  ERR_ID_INVALID: 'an id with characters that no id has',
  ERR_INPUT_INVALID: 'a body, a query parameter or an argument is wrong; the message names it',
  ERR_METHOD_NOT_ALLOWED: 'the path exists and does not take this method; see `Allow`',
  ERR_NOT_CONFIGURED: 'this server lacks a part that the request needs, such as a webhook secret',
  ERR_NOT_FOUND: 'there is no such task, file, workflow or path',
  ERR_PORT_IN_USE: 'a port that was asked for is taken',
  ERR_QUEUE_UNAVAILABLE: 'the queue takes nothing now; come again after `Retry-After`',
  ERR_SIGNATURE_INVALID: 'the signature of a webhook is missing or does not match',
  ERR_STEP_FAILED: '`retryStep`: the step failed in every attempt',
  ERR_STORE_UNAVAILABLE: 'a stored file is damaged, or the disk does not answer',
  ERR_TOO_LARGE: 'the body is larger than the limit in the message',
  ERR_TYPE_UNSUPPORTED: 'the content type of the body is not supported',
  ERR_UNAUTHORIZED: 'the token is missing or wrong, or the host name is not allowed without one',
  ERR_UNEXPECTED: 'a defect, or a failure of the system; the log of the server has the details',
};

/** `docs/rest.md` with its two tables made again; the rest of the page stays as it is. */
export function restPage(page: string): string {
  const routes = table(['Request', 'Answer'], REST_ROUTES.map(routeRow));
  const errors = table(['Code', 'Status', 'Meaning'], Object.entries(ERRORS).map(errorRow));
  return fill(fill(page, 'routes', routes), 'errors', errors);
}

function routeRow({ method, path, query, body, answer }: RestRoute): readonly string[] {
  const words = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');
  const notes = [
    ...(body === undefined ? [] : [`body: ${words(body)}`]),
    ...(query === undefined ? [] : [`query: ${words(query)}`]),
  ];
  return [`\`${method} ${path}\``, [answer, ...notes].join('; ')];
}

function errorRow([code, meaning]: [string, string]): readonly string[] {
  // The keys of the record are the codes.
  const status = problemStatus(new TasktrailError(code as ErrorCode, meaning));
  return [`\`${code}\``, String(status), meaning];
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return [line(titles), `|${'---|'.repeat(titles.length)}\n`, ...rows.map(line)].join('');
}

/** Replaces the text between `<!-- begin name -->` and `<!-- end name -->`. */
function fill(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new TypeError(`the page has no ${begin} with ${end} behind it`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n${page.slice(to)}`;
}
