import { type ErrorCode, TasktrailError } from '../errors.ts';
import { objectOf } from '../model/json.ts';
import type { Endpoint } from '../serve/contract/endpoint.ts';
import { ENDPOINTS } from '../serve/contract/endpoints.ts';
import { bodySchema, querySchemas } from '../serve/contract/openapi.ts';
import { problemStatus } from '../serve/problem.ts';

/** What each code means to a client, or to a program that catches it. A new code does not compile without a sentence. */
const ERRORS: Readonly<Record<ErrorCode, string>> = {
  ERR_AGENT_FAILED: 'a run of an agent did not succeed; `outcome` of the error says how it ended',
  ERR_BUSY:
    'too many streams (503 of all clients together, 429 of this one: close some), comparisons (503) or requests of MCP (503), or wrong tokens at the login (429); come again after `Retry-After`',
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
  const routes = table(['Request', 'Answer'], ENDPOINTS.map(routeRow));
  const errors = table(['Code', 'Status', 'Meaning'], Object.entries(ERRORS).map(errorRow));
  return fill(fill(page, 'routes', routes), 'errors', errors);
}

function routeRow(endpoint: Endpoint): readonly string[] {
  const words = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');
  const [body, query] = [bodyFields(endpoint), Object.keys(querySchemas(endpoint))];
  const notes = [
    ...(body.length === 0 ? [] : [`body: ${words(body)}`]),
    ...(query.length === 0 ? [] : [`query: ${words(query)}`]),
  ];
  return [`\`${endpoint.method} ${endpoint.path}\``, [endpoint.answer, ...notes].join('; ')];
}

/** Names of the fields of the body; those with `?` are optional. */
function bodyFields(endpoint: Endpoint): readonly string[] {
  const { properties = {}, required = [] } = bodySchema(endpoint) ?? {};
  return Object.keys(objectOf(properties)).map((name) =>
    Array.isArray(required) && required.includes(name) ? name : `${name}?`,
  );
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
