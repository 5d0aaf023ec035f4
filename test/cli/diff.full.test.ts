import { expect, test } from 'vitest';
import { type Run, runCommand, tempDir } from './run-command.ts';
import { type OutputLine, storeIn, writeTask } from './stored-tasks.ts';

function call(name: string, input: string, id: string): OutputLine {
  const attributes = { 'gen_ai.tool.name': name, 'gen_ai.tool.call.id': id };
  return { type: 'tool_call', content: `${name} ${input}`, attributes };
}

async function withTasks(): Promise<string> {
  const cwd = await tempDir();
  const store = storeIn(cwd);
  const read = call('Read', 'a.ts', 'call-1');
  await writeTask(store, {
    id: 'task-a',
    output: [read, call('Bash', 'npm test', 'call-2')],
    result: { metrics: { cost_usd: 0.5, duration_seconds: 61 } },
  });
  await writeTask(store, {
    id: 'task-b',
    output: [read, call('Bash', 'npm run check', 'call-2'), call('Edit\u001b[31m', 'b.ts', 'call-3')],
    result: {
      success: false,
      status: 'failed',
      error: 'no',
      metrics: { cost_usd: 0.25, duration_seconds: 61 },
    },
  });
  await store.store.close('the test has written its tasks');
  return cwd;
}

function run(cwd: string, ...args: readonly string[]): Promise<Run> {
  return runCommand(['diff', ...args], { cwd, input: '' });
}

test('two tasks are shown side by side, with the first divergence', async () => {
  const { code, stdout, stderr } = await run(await withTasks(), 'task-a', 'b');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^a: task-a, attempt 1, completed, 2 phases, steps and calls\nb: task-b, attempt 1, failed, 3 /,
  );
  expect(stdout).toMatch(/\ncost_usd +\$0\.5000 +\$0\.2500 +-\$0\.2500\n/);
  expect(stdout).toMatch(/\nerror +- +no *\n/);
  expect(stdout).toMatch(/\n2 +tool Bash +tool Bash +input\n/);
  expect(stdout).toMatch(/\n3 +tool Edit.+entry\n/);
  expect(stdout).not.toContain('\u001b');
  expect(stdout).not.toContain('tool Read');
  expect(stderr).toContain('the first divergence is #2');
  const all = await run(await withTasks(), 'task-a', 'task-b', '--all');
  expect(all.stdout).toMatch(/\n1 +tool Read +tool Read *\n/);
});

test('a task beside itself, JSON, and mistakes', async () => {
  const cwd = await withTasks();
  const same = await run(cwd, 'task-a', 'task-a');
  expect([same.code, same.stderr]).toEqual([0, expect.stringContaining('no difference')]);
  const { stdout } = await run(cwd, 'task-a', 'task-b', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    first_divergence: { number: 2, differs: ['input'] },
    cut: null,
  });
  const mistakes = [
    [['task-a', '2'], 1, 'there is no attempt 2 of task task-a: it has 1'],
    [['task-a', 'task-x'], 1, 'there is no task task-x'],
    [['task-a', '1', '--with-attempt', '1'], 2, '--with-attempt: 1 is an attempt already'],
    [['task-a', 'task-b', '--attempt', 'one'], 2, '--attempt: must be a number from 1 to 10000'],
    [['task-a'], 2, "missing required argument 'b'"],
  ] as const;
  for (const [args, code, text] of mistakes) {
    const got = await run(cwd, ...args);
    expect([got.code, got.stderr]).toEqual([code, expect.stringContaining(text)]);
  }
});
