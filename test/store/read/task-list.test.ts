import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createTaskListing } from '../../../src/store/read/task-list.ts';
import { countReads } from '../../support/count-reads.ts';
import { tempDir } from '../../support/log-dir.ts';

function writeTask(logDir: string, id: string, metadata: unknown): void {
  mkdirSync(join(logDir, id), { recursive: true });
  writeFileSync(
    join(logDir, id, 'metadata.json'),
    typeof metadata === 'string' ? metadata : JSON.stringify(metadata),
  );
}

const at = (day: number): string => `2026-01-0${day}T00:00:00.000Z`;

async function threeTasks(): Promise<string> {
  const logDir = await tempDir();
  const common = { source: 'webhook', provider: 'github', assigned_agent: 'claude' };
  writeTask(logDir, 'a', { ...common, created_at: at(1), status: 'completed' });
  writeTask(logDir, 'b', { ...common, created_at: at(3), status: 'running', source: 'api', provider: null });
  writeTask(logDir, 'c', { ...common, created_at: at(2), status: 'running', assigned_agent: 'codex' });
  return logDir;
}

test.each([
  [{}, ['b', 'c', 'a']],
  [{ status: 'running' as const }, ['b', 'c']],
  [{ source: 'webhook' }, ['c', 'a']],
  [{ provider: 'github' }, ['c', 'a']],
  [{ agent: 'claude' }, ['b', 'a']],
  [{ since: at(2) }, ['b', 'c']],
  [{ until: at(2) }, ['a']],
  [{ status: 'running' as const, agent: 'codex' }, ['c']],
  [{ status: 'failed' as const }, []],
])('the query %j lists %j, newest first', async (query, expected) => {
  const { items } = await createTaskListing(await threeTasks()).list({ ...query, limit: 10 });
  expect(items.map(({ task_id }) => task_id)).toEqual(expected);
});

test('damaged metadata, links, files and names that are no id are not listed', async () => {
  const logDir = await threeTasks();
  writeTask(logDir, 'damaged', '{');
  writeTask(logDir, '_webhooks', { created_at: at(1) });
  mkdirSync(join(logDir, 'empty'));
  writeFileSync(join(logDir, 'file'), '');
  symlinkSync('a', join(logDir, 'linked'));
  const list = createTaskListing(logDir).list;
  expect((await list({ limit: 10 })).items).toHaveLength(3);
  rmSync(logDir, { recursive: true });
  expect(await list({ limit: 10 })).toEqual({ items: [], nextCursor: null });
});

test('a scan gives all tasks newest first, whatever the times of the files are, and reads few for the first ones', async () => {
  const logDir = await tempDir();
  const days = Array.from({ length: 300 }, (_, n) => (n * 7) % 300);
  for (const day of days) {
    const id = `task-${String(day).padStart(3, '0')}`;
    writeTask(logDir, id, {
      created_at: new Date(Date.UTC(2026, 0, 1 + day)).toISOString(),
      status: 'completed',
    });
    // Written in the order of creation, up to forty days later.
    const writtenAt = new Date(Date.UTC(2026, 0, 1 + day + ((day * 13) % 40)));
    utimesSync(join(logDir, id, 'metadata.json'), writtenAt, writtenAt);
  }
  const all: string[] = [];
  for await (const { id } of createTaskListing(logDir).scan({})) all.push(id);
  expect(all).toEqual(
    days
      .map((day) => `task-${String(day).padStart(3, '0')}`)
      .sort()
      .reverse(),
  );
  const reads = await countReads();
  for await (const { id } of createTaskListing(logDir).scan({})) {
    expect(id).toBe('task-299');
    break;
  }
  expect(reads.calls).toBeLessThan(300);
  const after = { at: new Date(Date.UTC(2026, 0, 1 + 100)).toISOString(), id: 'task-100' };
  const later: string[] = [];
  for await (const { id } of createTaskListing(logDir).scan({ after, since: '2026-04-08T00:00:00.000Z' }))
    later.push(id);
  expect(later).toEqual(['task-099', 'task-098', 'task-097']);
});
