import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { filesIn, tempDir } from '../../support/log-dir.ts';
import { settledTask, settledWorkflow, WORKFLOW } from '../../support/settled.ts';
import { type Run, runCommand } from '../run-command.ts';

/** A directory with a task and a workflow that are well, and a copy of the task, from 2027, whose result was changed. */
let dir: string;

beforeEach(async () => {
  const { store } = await settledTask();
  dir = store.dir;
  cpSync((await settledWorkflow()).store.dir, dir, { recursive: true });
  const other = join(dir, 'task-2');
  cpSync(join(dir, 'task-1'), other, { recursive: true });
  for (const name of [
    'metadata.json',
    'facts.jsonl',
    '04-final-result.json',
    'trace.jsonl',
    '03-agent-output.jsonl',
  ]) {
    const path = join(other, name);
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replaceAll('task-1', 'task-2').replaceAll('2026-01-02', '2027-01-02'),
    );
  }
});

const verify = (...args: readonly string[]): Promise<Run> =>
  runCommand(['verify', '--dir', dir, ...args], { cwd: dir });

test('a task that is well: exit code 0; one that was changed: 1, with the file, what it means and what to do', async () => {
  expect(await verify('task-1')).toMatchObject({
    code: 0,
    stdout: `nothing is wrong: 1 task(s), 0 workflow(s), 0 day(s) of deliveries and events in ${dir}\n`,
  });
  const { code, stdout } = await verify('task-2');
  expect(code).toBe(1);
  expect(stdout).toMatch(/^task-2\/.*\. It means: .*\. What to do: /m);
  expect(stdout).not.toContain('task-1');
});

test('a range of time has the tasks that were created in it', async () => {
  expect((await verify('--until', '2026-06-01')).code).toBe(0);
  expect((await verify('--since', '2026-06-01')).code).toBe(1);
  expect((await verify('--since', '2026-06-01', '--until', '2026-07-01')).code).toBe(0);
});

test('one workflow is looked at alone', async () => {
  expect(await verify('--workflow', WORKFLOW)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('0 task(s), 1 workflow(s)'),
  });
});

test('findings can be JSON, one a line', async () => {
  const { code, stdout } = await verify('--json');
  expect(code).toBe(1);
  const found = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(found.every(({ id, note }) => id === 'task-2' && note === false)).toBe(true);
  for (const key of ['kind', 'file', 'line', 'problem', 'what', 'means', 'todo'])
    expect(found[0]).toHaveProperty(key);
});

test('a torn line has its number', async () => {
  const copy = await tempDir();
  cpSync(join(dir, 'task-1'), join(copy, 'task-1'), { recursive: true });
  const path = join(copy, 'task-1', '03-agent-output.jsonl');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, `${text}{"half`);
  const { stdout } = await runCommand(['verify', '--dir', copy], { cwd: copy });
  expect(stdout).toContain(`task-1/03-agent-output.jsonl:${text.split('\n').length}: `);
  expect(stdout).toContain('a crash or a power cut while it was written');
});

test.for([
  [
    ['task-1', '--workflow', WORKFLOW],
    'name a task, a workflow (--workflow) or a time (--since, --until), not two of them',
  ],
  [['task-9'], 'there is no task task-9'],
  [['--workflow', 'workflow-1-20260102T030405Z'], 'there is no workflow workflow-1-20260102T030405Z'],
  [['--since', 'yesterday-ish'], '--since'],
] as const)('%j is an error of the arguments: exit code 2', async ([args, message]) => {
  const before = filesIn(dir);
  const { code, stderr } = await verify(...args);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
  expect(filesIn(dir)).toEqual(before);
});
