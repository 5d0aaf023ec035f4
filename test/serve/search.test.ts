import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { serveLogs } from '../../src/serve/logs.ts';
import type { Reader } from '../../src/serve/reader.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { searchingReader } from '../../src/trail/search/searching-reader.ts';
import { result, writeTask } from '../support/searched-tasks.ts';
import { until } from '../support/until.ts';
import { ask, listen, tempDir } from './log-server.ts';

async function serve(): Promise<number> {
  const logDir = await tempDir();
  writeTask(logDir, { id: 'task-a', message: 'fix src/a.ts', result: result(false, { cost_usd: 2 }) });
  writeTask(logDir, { id: 'task-b', message: 'other', result: result(true, { cost_usd: 0.1 }) });
  const none = async (): Promise<undefined> => undefined;
  const config = { logDir, workflowDir: join(logDir, '_workflow'), s3: undefined, notify: [] };
  return listen(
    serveLogs({
      reader: searchingReader(config, () => ({ list: none, facets: none, stats: none, records: none })),
    }),
  );
}

test('tasks are found by words and fields', async () => {
  const port = await serve();
  const found = await ask(port, `/tasks?q=${encodeURIComponent('src/a.ts status:failed cost:>1')}`);
  expect(found.json()).toMatchObject({
    items: [{ task_id: 'task-a', message: 'fix src/a.ts', cost_usd: 2 }],
  });
});

test('a mistake in a query is a problem with its position', async () => {
  const port = await serve();
  const got = await ask(port, `/tasks?q=${encodeURIComponent('ok cost:much')}`);
  expect(got.status).toBe(400);
  expect(got.json()).toMatchObject({ code: 'ERR_INPUT_INVALID', position: 9 });
  expect(got.json().detail).toContain('q: character 9: cost: must be an amount');
});

test.each([
  '/tasks?sort=name',
  '/tasks?cost_min=much',
  '/tasks?colour=red',
  '/tasks?q=',
  '/tasks?q=%00',
  '/stats?group_by=colour',
  '/stats?group_by=day,day',
  '/stats?group_by=day,agent,model,repo',
  '/stats?limit=5',
  '/facets',
  '/facets?of=',
  '/facets?of=day',
  '/facets?of=status,status',
  '/facets?of=status&group_by=agent',
  '/facets?of=status&q=cost:much',
])('%s is refused', async (path) => {
  expect((await ask(await serve(), path)).status).toBe(400);
});

test('a cursor belongs to its query, whatever the size of the pages', async () => {
  const port = await serve();
  const { next_cursor: cursor } = (await ask(port, '/tasks?since=30d&until=2027-01-01&limit=1')).json();
  expect(cursor === null || typeof cursor === 'string').toBe(true);
  const first = (await ask(port, '/tasks?sort=cost&limit=1')).json();
  const next = String(first.next_cursor);
  expect((await ask(port, `/tasks?limit=5&cursor=${next}&sort=cost`)).json()).toMatchObject({
    items: [{ task_id: 'task-b' }],
    next_cursor: null,
  });
  expect((await ask(port, `/tasks?limit=5&cursor=${next}`)).status).toBe(400);
  expect((await ask(port, `/tasks?limit=5&cursor=${next}&sort=cost&status=failed`)).status).toBe(400);
});

test('numbers are counted by group', async () => {
  const port = await serve();
  const { rows } = (await ask(port, '/stats?group_by=status&cost_min=0.01')).json();
  expect(rows).toMatchObject([
    { status: 'completed', count: 1 },
    { status: 'failed', count: 1, cost_usd: 2 },
  ]);
});

test('the values of fields are counted in one request', async () => {
  const port = await serve();
  const got = await ask(port, '/facets?of=status,repo&q=status:failed');
  expect(got.json()).toEqual({
    facets: [
      {
        field: 'status',
        values: [
          { value: 'completed', count: 1 },
          { value: 'failed', count: 1 },
        ],
        left_out: 0,
      },
      { field: 'repo', values: [{ value: null, count: 1 }], left_out: 0 },
    ],
  });
});

test('searches of all clients are bounded, and end with their client', async () => {
  const seen = { begun: 0, ended: 0 };
  const listTasks: Reader['listTasks'] = (query, signal) => {
    if (query.q === undefined) return Promise.resolve({ items: [], nextCursor: null });
    seen.begun += 1;
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        seen.ended += 1;
        reject(signal.reason);
      });
    });
  };
  const reader: Reader = { ...createReader(await tempDir()), listTasks };
  const port = await listen(serveLogs({ reader }));
  const refused: IncomingMessage[] = [];
  const clients = Array.from({ length: 107 }, () => {
    const sent = request({ host: '127.0.0.1', port, path: '/tasks?q=word', agent: false });
    sent.on('error', () => {});
    sent.on('response', (res) => void refused.push(res));
    sent.end();
    return sent;
  });
  await until(() => refused.length > 0, 'a search that is refused');
  expect(refused.map(({ statusCode, headers }) => [statusCode, headers['retry-after']])).toEqual([
    [503, expect.any(String)],
  ]);
  expect(seen).toEqual({ begun: 6, ended: 0 });
  // What needs no search is answered meanwhile.
  expect((await ask(port, '/tasks')).status).toBe(200);
  for (const client of clients) client.destroy();
  await until(() => seen.ended === seen.begun, 'the searches to end');
});

test('a cursor of another query is refused by the lists of deliveries and workflows too', async () => {
  const port = await serve();
  // The place of an item, and no query.
  const cursor = Buffer.from(JSON.stringify({ at: '2026-01-01T00:00:00.000Z', id: 'x' })).toString(
    'base64url',
  );
  for (const path of ['/webhooks', '/workflows'])
    expect((await ask(port, `${path}?cursor=${cursor}`)).json().detail).toBe(
      'cursor: belongs to another query',
    );
});
