import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { restPage } from '../../src/build/rest-page.ts';
import { loadConfig } from '../../src/config/config.ts';
import { ENDPOINTS } from '../../src/serve/contract/endpoints.ts';
import { querySchemas, requiredParameters } from '../../src/serve/contract/openapi.ts';
import type { Methods } from '../../src/serve/routes.ts';
import { type Service, startService } from '../../src/service/start.ts';
import { until } from '../support/until.ts';
import { parsePage, ROOT, wordsOf } from './markdown.ts';

/** The route tables of the service, in the order of creation. */
const tables = vi.hoisted(() => [] as Readonly<Record<string, Methods>>[]);

vi.mock(import('../../src/serve/routes.ts'), async (importOriginal) => {
  const original = await importOriginal();
  return {
    ...original,
    createHandler: (routes, options) => {
      tables.push(routes);
      return original.createHandler(routes, options);
    },
  };
});

const page = await readFile(join(ROOT, 'docs', 'rest.md'), 'utf8');

let dir: string;
let service: Service;
let taskId: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tasktrail-rest-'));
  const env = {
    ...{ TASK_LOGS_DIR: join(dir, 'logs'), TASK_LOGS_OTLP_PORT: '0', PORT: '0' },
    ...{ TASK_LOGS_AGENT_COMMAND: 'cat', GITHUB_WEBHOOK_SECRET: 'a secret of this test' },
  };
  service = await startService(loadConfig({ env, cwd: dir }), { log: () => {} });
  const body = JSON.stringify({ message: 'hello' });
  const response = await ask('POST', '/api/tasks', { body, headers: { 'content-type': 'application/json' } });
  [taskId = ''] = ((await response.json()) as { task_ids: string[] }).task_ids;
  const result = join(dir, 'logs', taskId, '04-final-result.json');
  await until(() => existsSync(result) || undefined, 'the task to end');
});

afterAll(async () => {
  await service?.stop();
  await rm(dir, { recursive: true, force: true });
});

function ask(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${service.url}${path}`, { ...init, method });
}

/** Status and text of an answer; of a stream only the status: it does not end. */
async function answerOf(method: string, path: string): Promise<{ status: number; text: string }> {
  const reading = new AbortController();
  const response = await ask(method, path, { signal: reading.signal });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const text = isStream ? '' : await response.text();
  if (isStream) reading.abort();
  return { status: response.status, text };
}

test('docs/rest.md is up to date: npm run docs:rest', () => {
  expect(restPage(page)).toBe(page);
});

test('the table has exactly the routes of the service', () => {
  // The page has no API of its own.
  const own = tables.filter((routes) => !('/assets/:name' in routes || '/tasks/:id/export' in routes));
  const served = own.flatMap((routes) => {
    const mount = '/tasks' in routes ? '/api' : '/github' in routes ? '/webhooks' : '';
    return Object.entries(routes).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${mount}${path.replaceAll(/:(\w+)/g, '{$1}')}`),
    );
  });
  expect(served.length).toBeGreaterThan(ENDPOINTS.length);
  const named = served.map((route) =>
    route.startsWith('POST /webhooks/') ? 'POST /webhooks/{name}' : route,
  );
  expect([...new Set(named)].sort()).toEqual(ENDPOINTS.map(({ method, path }) => `${method} ${path}`).sort());
});

test.each(ENDPOINTS)('$method $path exists, and other methods return 405', async ({ method, path }) => {
  const real = path
    .replace('/tasks/{id}', `/tasks/${taskId}`)
    .replace('{id}', 'w')
    .replace('{name}', 'github');
  const { status, text } = await answerOf(method, real);
  expect(text).not.toContain('nothing answers');
  expect(status).not.toBe(500);
  const wrong = await ask('DELETE', real);
  expect(wrong.status).toBe(405);
  const methods = ENDPOINTS.filter((route) => route.path === path).map((route) => route.method);
  const allowed = methods.flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
  expect(wrong.headers.get('allow')?.split(', ').sort()).toEqual(allowed.sort());
});

test('docs/rest.md documents every field of responses that are not stored files', async () => {
  const words = wordsOf(parsePage('docs/rest.md', page));
  const read = async (path: string): Promise<object> => (await (await ask('GET', path)).json()) as object;
  const { items } = (await read('/api/workflows')) as { items: readonly { workflow_id: string }[] };
  const workflow = await read(`/api/workflows/${items[0]?.workflow_id}`);
  const [level] = Reflect.get(workflow, 'levels') as readonly object[];
  const ready = await read('/readyz');
  const links = ['links', 'books'].flatMap((name) =>
    Object.keys(Reflect.get({ ...workflow, ...ready }, name)),
  );
  const found = [workflow, level ?? {}, ready].flatMap(Object.keys).concat(links);
  expect(found.length).toBeGreaterThan(40);
  // docs/files.md documents the fields of events, which the document contains.
  const ofEvents = [
    'event_type',
    'timestamp',
    'payload',
    'event_id',
    'task_id',
    'schema_version',
    'revision',
  ];
  expect(found.filter((name) => !words.has(name) && !ofEvents.includes(name))).toEqual([]);
});

/** Beside each other parameter. */
const REQUIRED: Readonly<Record<string, string>> = { with: 'w', of: 'status' };

const VALUES: Readonly<Record<string, string>> = {
  ...{ status: 'completed', outcome: 'accepted', type: 'step_start' },
  ...{ since: '2026-01-01', until: '2026-01-01T00:00:00Z', limit: '5', tail: '5', list: 'true' },
  ...{ cost_min: '0.5', cost_max: '2', duration_min: '1', duration_max: '60' },
  ...{ state: 'pending', sort: 'cost', group_by: 'day,agent', of: 'status,repo', q: 'word%20cost:%3E1' },
  ...{ attempt: '1', with_attempt: '1', rows: 'all' },
};

/** Of lists with other fields than that of tasks. */
const OWN_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  workflows: { status: 'success', q: 'word', sort: 'duration' },
  webhooks: { q: 'word' },
  notifications: { type: 'task.failed' },
};

test.each(ENDPOINTS.filter(({ query }) => query !== undefined))(
  '$path accepts its parameters and rejects others',
  async (route) => {
    const path = route.path.replace('{id}', 'w');
    const [, , list = ''] = path.split('/');
    const values: Readonly<Record<string, string>> = { ...VALUES, ...OWN_VALUES[list] };
    const required = requiredParameters(route);
    for (const name of Object.keys(querySchemas(route))) {
      const others = required.filter((one) => one !== name).map((one) => `&${one}=${REQUIRED[one]}`);
      const { status, text } = await answerOf(
        'GET',
        `${path}?${name}=${values[name] ?? 'x'}${others.join('')}`,
      );
      const { detail = '' } = JSON.parse(text || '{}') as { detail?: string };
      // A malformed cursor is rejected with another message than an unknown parameter.
      if (['cursor', 'after'].includes(name)) expect(detail).not.toContain('nrecognized');
      else expect([name, status < 400 || status === 404]).toEqual([name, true]);
    }
    const unknown = await ask('GET', `${path}?colour=red`);
    expect(unknown.status).toBe(400);
  },
);
