import { expect, test } from 'vitest';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { ask, listen, tempDir, writeTask } from './log-server.ts';

interface Page {
  readonly items: readonly { readonly task_id: string }[];
  readonly next_cursor: string | null;
}

async function serveTasks(count: number, metadata: (n: number) => object): Promise<number> {
  const dir = await tempDir();
  for (let n = 0; n < count; n += 1) {
    const taskId = `task-${String(n).padStart(4, '0')}`;
    writeTask(dir, taskId, { metadata: { task_id: taskId, ...metadata(n) } });
  }
  return listen(serveLogs({ reader: createReader(dir) }));
}

async function list(port: number, query: string): Promise<Page> {
  const got = await ask(port, `/tasks${query}`);
  expect(got.status, got.text).toBe(200);
  return JSON.parse(got.text) as Page;
}

const day = (n: number): string => `2026-01-${String(n).padStart(2, '0')}T12:00:00.000Z`;

test('an empty or missing log directory is an empty list', async () => {
  const dir = await tempDir();
  for (const logDir of [dir, `${dir}/missing`]) {
    const port = await listen(serveLogs({ reader: createReader(logDir) }));
    expect(await list(port, '')).toEqual({ items: [], next_cursor: null });
  }
});

test('120 tasks created in one millisecond are paged without a repeat or a gap', {
  tags: 'full',
}, async () => {
  const port = await serveTasks(120, () => ({ created_at: day(1) }));
  const expected = Array.from({ length: 120 }, (_, n) => `task-${String(119 - n).padStart(4, '0')}`);
  for (const limit of [1, 7, 40, 119, 120, 121]) {
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: Page = await list(port, `?limit=${limit}${after}`);
      expect(page.items.length).toBeLessThanOrEqual(limit);
      seen.push(...page.items.map((item) => item.task_id));
      cursor = page.next_cursor;
    }
    expect(seen, `limit ${limit}`).toEqual(expected);
  }
});

test('a page holds 50 tasks when no limit is given, newest first', async () => {
  const port = await serveTasks(60, (n) => ({
    created_at: new Date(Date.UTC(2026, 0, 1) - n * 1000).toISOString(),
  }));
  const page = await list(port, '');
  expect(page.items).toHaveLength(50);
  expect(page.items[0]?.task_id).toBe('task-0000');
  expect(page.items[49]?.task_id).toBe('task-0049');
  const rest = await list(port, `?cursor=${page.next_cursor}`);
  expect(rest.items.map((item) => item.task_id)).toEqual(
    Array.from({ length: 10 }, (_, n) => `task-${String(50 + n).padStart(4, '0')}`),
  );
  expect(rest.next_cursor).toBeNull();
});

test('a task that comes between two pages neither repeats nor hides another', async () => {
  const dir = await tempDir();
  for (let n = 1; n <= 4; n += 1) writeTask(dir, `task-${n}`, { metadata: { created_at: day(n) } });
  const port = await listen(serveLogs({ reader: createReader(dir) }));
  const first = await list(port, '?limit=2');
  writeTask(dir, 'task-9', { metadata: { created_at: day(9) } });
  const second = await list(port, `?limit=2&cursor=${first.next_cursor}`);
  expect([...first.items, ...second.items].map((item) => item.task_id)).toEqual([
    'task-4',
    'task-3',
    'task-2',
    'task-1',
  ]);
});

test.each([
  ['status=failed', [5, 2]],
  ['source=cron', [5, 4, 3]],
  ['provider=github', [4, 2, 0]],
  ['agent=claude', [3, 0]],
  ['status=failed&source=cron', [5]],
  ['status=queued', []],
  [`since=${day(4)}`, [5, 4, 3]],
  [`until=${day(4)}`, [2, 1, 0]],
  [`since=${day(2)}&until=${day(4)}`, [2, 1]],
  ['since=2026-01-04', [5, 4, 3]],
  ['since=2026-01-04T14:00:00%2B02:00', [5, 4, 3]],
  ['since=2026-01-04T14:00:00.001%2B02:00', [5, 4]],
  ['since=2026-01-04T12:00:00Z&limit=1', [5]],
])('the filter %s gives exactly its tasks', async (query, expected) => {
  const port = await serveTasks(6, (n) => ({
    created_at: day(n + 1),
    status: n % 3 === 2 ? 'failed' : 'completed',
    source: n > 2 ? 'cron' : 'webhook',
    provider: n % 2 === 0 ? 'github' : 'jira',
    assigned_agent: n % 3 === 0 ? 'claude' : null,
  }));
  const { items } = await list(port, `?${query}`);
  expect(items.map((item) => item.task_id)).toEqual(expected.map((n) => `task-000${n}`));
});

test('a task without a time of creation comes last and is in no interval', async () => {
  const port = await serveTasks(3, (n) => ({ created_at: n === 1 ? null : day(n + 1) }));
  expect((await list(port, '')).items.map((item) => item.task_id)).toEqual([
    'task-0002',
    'task-0000',
    'task-0001',
  ]);
  expect((await list(port, '?until=2027-01-01')).items).toHaveLength(2);
  expect((await list(port, '?since=2020-01-01')).items).toHaveLength(2);
});

test.each([
  ['limit=0', 'limit'],
  ['limit=501', 'limit'],
  ['limit=-1', 'limit'],
  ['limit=ten', 'limit'],
  ['limit=1.5', 'limit'],
  ['limit=', 'limit'],
  ['status=done', 'status'],
  ['since=yesterday', 'since'],
  ['since=2026-01-04T12:00:00', 'since'],
  ['until=2026-13-01', 'until'],
  ['cursor=abc', 'cursor'],
  ['cursor=', 'cursor'],
  [`cursor=${Buffer.from('{"created_at":1}').toString('base64url')}`, 'cursor'],
  ['staus=failed', 'staus'],
  ['source=a&source=b', 'source'],
])('the query %s is refused by name', async (query, named) => {
  const port = await serveTasks(1, () => ({ created_at: day(1) }));
  const got = await ask(port, `/tasks?${query}`);
  expect(got.status).toBe(400);
  expect(got.json()).toMatchObject({ code: 'ERR_INPUT_INVALID', detail: expect.stringContaining(named) });
});
