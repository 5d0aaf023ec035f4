import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import { ENDPOINTS } from '../../../src/serve/contract/endpoints.ts';
import { openApiDocument, querySchemas } from '../../../src/serve/contract/openapi.ts';
import { serveLogs } from '../../../src/serve/logs.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { Contract, type SeenAnswer } from '../../support/contract.ts';
import { ask, listen, tempDir } from '../log-server.ts';

interface Document extends JsonObject {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonObject>>;
    readonly securitySchemes?: JsonObject;
  };
}

interface Operation extends JsonObject {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, JsonObject>>;
  readonly security?: readonly JsonObject[];
}

function documentWith(options: Partial<Parameters<typeof openApiDocument>[0]> = {}): Document {
  return openApiDocument({ version: '1.2.3', hasToken: false, ...options }) as Document;
}

test('the document has an operation for each endpoint, and all of its references lead somewhere', () => {
  const document = documentWith();
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`,
    ),
  );
  expect(operations.sort()).toEqual(
    ENDPOINTS.filter(({ isOtherProtocol }) => !isOtherProtocol)
      .map(({ name, method, path }) => `${name} ${method} ${path}`)
      .sort(),
  );
  expect(new Set(ENDPOINTS.map(({ name }) => name)).size).toBe(ENDPOINTS.length);
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name = '']) => name,
  );
  expect(references.length).toBeGreaterThan(50);
  expect(references.filter((name) => document.components.schemas[name] === undefined)).toEqual([]);
  expect(text).not.toMatch(/\$defs|"\$id"|"\$schema"|9007199254740991/);
  expect(text.length).toBeLessThan(150_000);
});

test('its schemas are JSON Schema of draft 2020-12, and published objects may have more fields', () => {
  const { components } = documentWith();
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'it:', components });
  for (const name of Object.keys(components.schemas))
    expect(() => ajv.compile({ $ref: `it:#/components/schemas/${name}` }), name).not.toThrow();
  const problem = { type: 'a', title: 'b', status: 400, detail: 'c', code: 'd', later: 'e' };
  expect(ajv.validate({ $ref: 'it:#/components/schemas/Problem' }, problem)).toBe(true);
  expect(JSON.stringify(components)).not.toContain('"additionalProperties":false');
});

test('parameters are written as the values that their checks take', () => {
  const list = ENDPOINTS.find(({ name }) => name === 'listTasks');
  const schemas = list === undefined ? {} : querySchemas(list);
  expect(schemas.limit).toEqual({ type: 'integer', minimum: 1, maximum: 500, default: 50 });
  expect(schemas.cost_min).toEqual({ type: 'number', minimum: 0 });
  expect(schemas.sort).toMatchObject({ enum: ['created', 'cost', 'duration', 'tokens'] });
  const body = documentWith().paths['/api/tasks']?.post?.requestBody;
  expect(JSON.stringify(body)).toContain('"additionalProperties":false');
});

test('a token is a security scheme, which probes and webhooks do not need', () => {
  const open = documentWith();
  expect([open.security, open.components.securitySchemes]).toEqual([undefined, undefined]);
  const { security, components, paths } = documentWith({ hasToken: true });
  expect([security, components.securitySchemes]).toEqual([
    [{ token: [] }],
    { token: { type: 'http', scheme: 'bearer' } },
  ]);
  const free = Object.entries(paths).filter(
    ([, methods]) => Object.values(methods)[0]?.security?.length === 0,
  );
  expect(free.map(([path]) => path)).toEqual(['/webhooks/{name}', '/healthz', '/readyz']);
});

test('where the API is mounted elsewhere, the paths say so, and those of the service are left out', () => {
  const paths = Object.keys(documentWith({ mount: '/internal', isService: false }).paths);
  expect(paths).toContain('/internal/tasks/{id}/logs/full');
  expect(paths.filter((path) => !path.startsWith('/internal/'))).toEqual([]);
});

test('the server answers with the document, behind the token and without parameters', async () => {
  const reader = createReader(await tempDir());
  const openApi = { version: '4.5.6', isService: true };
  const port = await listen(serveLogs({ reader, token: 'secret', openApi }));
  expect((await ask(port, '/openapi.json')).status).toBe(401);
  const headers = { authorization: 'Bearer secret' };
  const { status, json: read } = await ask(port, '/openapi.json', { headers });
  const document = read() as { openapi: string; info: { version: string }; security: unknown };
  expect([status, document.openapi, document.info.version]).toEqual([200, '3.1.1', '4.5.6']);
  expect(document.security).toEqual([{ token: [] }]);
  expect((await ask(port, '/openapi.json?x=1', { headers })).status).toBe(400);
});

test('a request without parameters refuses all', async () => {
  const port = await listen(serveLogs({ reader: createReader(await tempDir()) }));
  const without = ENDPOINTS.filter(({ query, path }) => query === undefined && path.startsWith('/api/'));
  expect(without.length).toBeGreaterThan(8);
  for (const { method, path } of without) {
    const real = path.slice('/api'.length).replace('{id}', 'a');
    const headers = { 'content-type': 'application/json' };
    const { status, text } = await ask(port, `${real}?colour=red`, { method, headers });
    expect([real, status, text.includes('colour')]).toEqual([real, 400, true]);
  }
});

const problem = (code: string, more: object = {}): string =>
  JSON.stringify({ type: 'urn:x', title: 'x', status: 404, detail: 'x', code, ...more });

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const PROBLEM_TYPE = { 'content-type': 'application/problem+json' };

function seen(answer: Partial<SeenAnswer>): SeenAnswer {
  const page = '{"items":[],"next_cursor":null}';
  return { method: 'GET', paths: ['/api/tasks'], status: 200, headers: JSON_TYPE, body: page, ...answer };
}

test.each<[string, Partial<SeenAnswer>, RegExp]>([
  ['a field', { body: '{"items":[],"next_cursor":null,"total":1}' }, /additional/],
  ['a missing field', { body: '{"items":[]}' }, /next_cursor/],
  ['a type', { body: '{"items":{},"next_cursor":null}' }, /must be array/],
  [
    'a status',
    { status: 418, headers: PROBLEM_TYPE, body: problem('ERR_NOT_FOUND') },
    /status is not described/,
  ],
  ['a code', { status: 400, headers: PROBLEM_TYPE, body: problem('ERR_GONE') }, /code ERR_GONE/],
  [
    'a field of a problem',
    { status: 400, headers: PROBLEM_TYPE, body: problem('ERR_INPUT_INVALID', { a: 1 }) },
    /additional/,
  ],
  ['an error that is no problem', { status: 400, body: '{}' }, /instead of a problem/],
  ['a media type', { headers: { 'content-type': 'text/html' }, body: '' }, /instead of application\/json/],
  ['a header', { headers: { ...JSON_TYPE, link: '<x>' } }, /header link/],
  ['a method', { method: 'PUT' }, /no such operation/],
  [
    'an event',
    {
      paths: ['/api/tasks/a/stream'],
      headers: { 'content-type': 'text/event-stream' },
      body: 'event: news\ndata: {}\n\n',
    },
    /event news/,
  ],
  [
    'a field of an event',
    {
      paths: ['/api/tasks/a/stream'],
      headers: { 'content-type': 'text/event-stream' },
      body: 'event: end\ndata: {"task_id":"a","status":"failed","why":1}\n\n',
    },
    /event end:.*additional/,
  ],
])('%s that is not described is a difference', (_, answer, difference) => {
  const contract = new Contract({ hasPartialFiles: false });
  expect(contract.differences(seen({}))).toEqual([]);
  expect(contract.differences(seen(answer)).join()).toMatch(difference);
});
