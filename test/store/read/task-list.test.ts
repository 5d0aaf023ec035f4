import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createTaskListing } from '../../../src/store/read/task-list.ts';
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
