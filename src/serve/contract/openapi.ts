import { type ErrorCode, TasktrailError } from '../../errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts';
import { problemStatus } from '../problem.ts';
import { type Endpoint, type EndpointAnswer, HEADERS, type HeaderName } from './endpoint.ts';
import { ENDPOINTS } from './endpoints.ts';
import { componentSchemas, jsonSchemaOf } from './json-schema.ts';
import { problem } from './service-shapes.ts';

export interface OpenApiOptions {
  readonly version: string;
  /** Whether the requests need a token. */
  readonly hasToken: boolean;
  /** Where the API is mounted. Default `/api`. */
  readonly mount?: string;
  /** Whether webhooks, health and metrics are served beside it. Default true. */
  readonly isService?: boolean;
}

const DESCRIPTION = `What agents did: tasks, workflows and deliveries of webhooks, as lists, documents and streams.

Fields are added and never renamed. Every error is \`application/problem+json\` with a stable \`code\`; a 500 is a defect. \`HEAD\` is
answered wherever \`GET\` is. The events of a stream stand in \`x-events\`: the schema of \`data\` by the name of the event.`;

/** The OpenAPI 3.1 document, with the JSON Schemas of draft 2020-12. */
export function openApiDocument(options: OpenApiOptions): JsonObject {
  const { version, hasToken, mount = '/api', isService = true } = options;
  const paths: Record<string, Record<string, JsonValue>> = {};
  for (const endpoint of ENDPOINTS) {
    const isApi = endpoint.path.startsWith('/api/');
    if (endpoint.isOtherProtocol || (!isApi && !isService)) continue;
    const path = isApi ? mount + endpoint.path.slice('/api'.length) : endpoint.path;
    const operations = paths[path] ?? {};
    operations[endpoint.method.toLowerCase()] = operationOf(endpoint, hasToken);
    paths[path] = operations;
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'tasktrail',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: componentSchemas(),
      ...(hasToken && { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }),
    },
    ...(hasToken && { security: [{ token: [] }] }),
  };
}

function operationOf(endpoint: Endpoint, hasToken: boolean): JsonObject {
  const { name, summary, answer, isOpen = false } = endpoint;
  const body = bodySchema(endpoint);
  const parameters = [...pathParameters(endpoint), ...queryParameters(endpoint)];
  return {
    operationId: name,
    summary,
    // References to other parts of the page lead nowhere from here.
    description: answer.replaceAll(/ \(\[[^\]]+\]\([^)]+\)\)/g, ''),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: body } },
      },
    }),
    responses: { ...answersOf(endpoint), ...problemsOf(endpoint) },
    ...(isOpen && hasToken && { security: [] }),
  };
}

/** Ids as `model/ids.ts` checks them. */
const ID: JsonObject = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' };

function pathParameters({ path }: Endpoint): readonly JsonObject[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: ID,
  }));
}

function queryParameters(endpoint: Endpoint): readonly JsonObject[] {
  const required = requiredParameters(endpoint);
  return Object.entries(querySchemas(endpoint)).map(([name, schema]) => {
    const { description, ...rest } = schema;
    return {
      ...{ name, in: 'query' },
      ...(required.includes(name) && { required: true }),
      ...(description !== undefined && { description }),
      schema: rest,
    };
  });
}

/** The JSON Schemas of the query parameters of an endpoint, by name. */
export function querySchemas({ query }: Endpoint): Readonly<Record<string, JsonObject>> {
  if (query === undefined) return {};
  const { properties } = jsonSchemaOf(query, 'input');
  const entries = isJsonObject(properties) ? Object.entries(properties) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, JsonObject] => isJsonObject(entry[1])));
}

/** The names of the query parameters that must be given. */
export function requiredParameters({ query }: Endpoint): readonly string[] {
  const { required } = query === undefined ? {} : jsonSchemaOf(query, 'input');
  return Array.isArray(required) ? required.filter((name) => typeof name === 'string') : [];
}

/** The JSON Schema of the body of an endpoint. */
export function bodySchema({ body }: Endpoint): JsonObject | undefined {
  return body && jsonSchemaOf(body, 'input');
}

function answersOf(endpoint: Endpoint): JsonObject {
  const answers = Object.entries(endpoint.answers);
  return Object.fromEntries(answers.map(([status, answer]) => [status, answerOf(endpoint, answer)]));
}

function answerOf({ method, isOpen }: Endpoint, answer: EndpointAnswer): JsonObject {
  const { description, content, headers: own = [] } = answer;
  const isRead = method === 'GET' && isOpen !== true && content !== 'nothing' && !('events' in content);
  const headers: readonly HeaderName[] = isRead ? [...own, 'Task-Logs-Partial'] : own;
  return {
    description,
    ...(headers.length > 0 && {
      headers: Object.fromEntries(
        headers.map((name) => [name, { description: HEADERS[name], schema: { type: 'string' } }]),
      ),
    }),
    ...(content !== 'nothing' && { content: mediaOf(content) }),
  };
}

function mediaOf(content: Exclude<EndpointAnswer['content'], 'nothing'>): JsonObject {
  if ('json' in content) return { 'application/json': { schema: jsonSchemaOf(content.json, 'output') } };
  if ('text' in content) return { [content.text]: { schema: { type: 'string' } } };
  const events = Object.entries(content.events).map(([name, data]) => [name, jsonSchemaOf(data, 'output')]);
  return { 'text/event-stream': { schema: { type: 'string' }, 'x-events': Object.fromEntries(events) } };
}

/** What any request below `/api` may be answered with. */
const EVERY = ['ERR_INPUT_INVALID', 'ERR_UNAUTHORIZED', 'ERR_STORE_UNAVAILABLE'] as const;

/** The codes of the problems that an endpoint answers with, by status. */
export function problemCodes(endpoint: Endpoint): ReadonlyMap<number, ReadonlySet<ErrorCode>> {
  const { errors = [], otherErrors = {}, isOpen = false } = endpoint;
  const byStatus = new Map<number, Set<ErrorCode>>();
  const note = (status: number, code: ErrorCode): void =>
    void byStatus.set(status, (byStatus.get(status) ?? new Set<ErrorCode>()).add(code));
  for (const code of isOpen ? errors : [...EVERY, ...errors])
    note(problemStatus(new TasktrailError(code, '')), code);
  for (const [status, code] of Object.entries(otherErrors)) note(Number(status), code);
  return byStatus;
}

function problemsOf(endpoint: Endpoint): JsonObject {
  const problems = [...problemCodes(endpoint)].filter(([status]) => endpoint.answers[status] === undefined);
  return Object.fromEntries(problems.map(([status, codes]) => [status, problemOf(status, [...codes])]));
}

function problemOf(status: number, codes: readonly ErrorCode[]): JsonObject {
  const isLater = status === 503 || status === 429;
  return {
    description: codes.map((code) => `\`${code}\``).join(', '),
    ...(isLater && { headers: { 'Retry-After': { description: 'seconds', schema: { type: 'integer' } } } }),
    content: { 'application/problem+json': { schema: jsonSchemaOf(problem, 'output') } },
  };
}
