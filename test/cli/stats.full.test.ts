import { expect, test } from 'vitest';
import { type Run, runCommand, tempDir } from './run-command.ts';
import { storeIn, writeTask } from './stored-tasks.ts';

async function withTasks(): Promise<string> {
  const cwd = await tempDir();
  const store = storeIn(cwd);
  const created = '2026-01-02T03:00:00.000Z';
  const metadata = { created_at: created, assigned_agent: 'claude', command: 'review' };
  await writeTask(store, {
    id: 'task-a',
    metadata,
    message: 'refund the order',
    result: { metrics: { cost_usd: 0.5 } },
  });
  await writeTask(store, {
    id: 'task-b',
    metadata: { created_at: created, assigned_agent: 'codex' },
    message: 'other words',
    result: { success: false, status: 'failed', error: 'exited with code 3', metrics: { cost_usd: null } },
  });
  await store.store.close('the test has written its tasks');
  return cwd;
}

function run(cwd: string, ...args: readonly string[]): Promise<Run> {
  return runCommand([...args], { cwd, input: '' });
}

function idsOf({ stdout }: Run): readonly string[] {
  return stdout
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { task_id: string }).task_id]));
}

test('tasks are found by a query, in one argument or in several', async () => {
  const cwd = await withTasks();
  expect(idsOf(await run(cwd, 'tasks', 'refund', '--json'))).toEqual(['task-a']);
  expect(idsOf(await run(cwd, 'tasks', '"the order" command:review', '--json'))).toEqual(['task-a']);
  // The shell has taken the quotes off.
  expect(idsOf(await run(cwd, 'tasks', 'the order', 'agent:claude', '--json'))).toEqual(['task-a']);
  expect(idsOf(await run(cwd, 'tasks', 'order the', 'agent:claude', '--json'))).toEqual([]);
  expect(idsOf(await run(cwd, 'tasks', 'status:failed', '--json'))).toEqual(['task-b']);
  expect(idsOf(await run(cwd, 'tasks', '--sort', 'cost', '--json'))).toEqual(['task-a', 'task-b']);
});

test('a mistake in a query ends the command and names the character', async () => {
  const { code, stderr } = await run(await withTasks(), 'tasks', 'ok cost:much');
  expect(code).not.toBe(0);
  expect(stderr).toContain('q: character 9: cost: must be an amount');
});

test('stats are a table, or lines of JSON', async () => {
  const cwd = await withTasks();
  const { stdout } = await run(cwd, 'stats', '--group-by', 'agent,status');
  expect(stdout.split('\n')[0]).toMatch(/^AGENT\s+STATUS\s+COUNT\s+OK\s+FAILED\s+SUCCESS\s+COST/);
  expect(stdout).toMatch(/claude\s+completed\s+1\s+1\s+0\s+100 %\s+\$0\.5000/);
  const lines = (await run(cwd, 'stats', 'refund', '--json')).stdout.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ day: '2026-01-02', count: 1 }]);
  expect((await run(cwd, 'stats', '--group-by', 'colour')).code).not.toBe(0);
});
