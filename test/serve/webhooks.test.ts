import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import express from 'express';
import { expect, test } from 'vitest';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { ask, type Got, listen, tempDir } from './log-server.ts';

const LINES = [
  {
    timestamp: '2026-01-02T01:00:00.000Z',
    event_id: 'E1',
    provider: 'github',
    outcome: 'accepted',
    task_ids: ['task-1', 'task-2', '../x'],
  },
  {
    timestamp: '2026-01-02T02:00:00.000Z',
    event_id: 'E2',
    provider: 'slack',
    outcome: 'rejected',
    reason: 'bad signature',
    task_ids: [],
  },
  {
    timestamp: '2026-01-02T03:00:00.000Z',
    event_id: 'E3',
    provider: 'slack',
    outcome: 'rejected',
    count: 12,
    reasons: { stale: 12 },
  },
];

async function serve(token?: string): Promise<number> {
  const dir = await tempDir();
  mkdirSync(join(dir, '_webhooks'));
  const text = LINES.map((line) => `${JSON.stringify(line)}\n`).join('');
  writeFileSync(join(dir, '_webhooks', '2026-01-02.jsonl'), text);
  const app = express();
  app.use('/api', serveLogs({ reader: createReader(dir), token }));
  return listen(createServer(app));
}

function itemsOf(got: Got): Record<string, unknown>[] {
  expect(got.status, got.text).toBe(200);
  return got.json().items as Record<string, unknown>[];
}

test('deliveries are listed newest first, each as its line with links to its tasks', async () => {
  const port = await serve();
  const items = itemsOf(await ask(port, '/api/webhooks'));
  expect(items).toEqual([
    { ...LINES[2], links: { tasks: {} } },
    { ...LINES[1], links: { tasks: {} } },
    { ...LINES[0], links: { tasks: { 'task-1': '/api/tasks/task-1', 'task-2': '/api/tasks/task-2' } } },
  ]);
});

test.each([
  ['provider=slack', ['E3', 'E2']],
  ['outcome=accepted', ['E1']],
  ['provider=slack&outcome=accepted', []],
  ['provider=unknown', []],
  ['since=2026-01-02T02:00:00Z', ['E3', 'E2']],
  ['until=2026-01-02T04:00:00%2B02:00', ['E1']],
  ['since=2026-01-02&until=2026-01-03', ['E3', 'E2', 'E1']],
  ['since=2026-01-03', []],
])('?%s gives %j', async (query, ids) => {
  const items = itemsOf(await ask(await serve(), `/api/webhooks?${query}`));
  expect(items.map((item) => item.event_id)).toEqual(ids);
});

test('pages lead to each other', async () => {
  const port = await serve();
  const first = (await ask(port, '/api/webhooks?limit=2')).json();
  const second = (await ask(port, `/api/webhooks?limit=2&cursor=${first.next_cursor}`)).json();
  expect(second).toMatchObject({ items: [{ event_id: 'E1' }], next_cursor: null });
});

test.each([
  'providers=slack',
  'outcome=lost',
  'outcome=',
  'provider=',
  'since=yesterday',
  'since=2026-01-02T00:00:00',
  'until=5',
  'limit=0',
  'limit=501',
  'limit=ten',
  'cursor=x',
  'cursor=',
  'provider=a&provider=b',
])('?%s is a problem that names the parameter', async (query) => {
  const got = await ask(await serve(), `/api/webhooks?${query}`);
  expect(got.status).toBe(400);
  expect(got.headers['content-type']).toBe('application/problem+json');
  expect(got.json()).toMatchObject({ code: 'ERR_INPUT_INVALID' });
  expect(got.json().detail).toContain(query.split('=', 1)[0]);
});

test('the list is read only, and needs the token where there is one', async () => {
  const port = await serve('secret');
  expect((await ask(port, '/api/webhooks')).status).toBe(401);
  const headers = { authorization: 'Bearer secret' };
  expect((await ask(port, '/api/webhooks', { headers })).status).toBe(200);
  const posted = await ask(port, '/api/webhooks', { method: 'POST', headers });
  expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD']);
});
