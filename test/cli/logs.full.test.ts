import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import type { TestStore } from '../support/log-dir.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { hasTerminal, openTerminal } from './pty.ts';
import { type Run, runCommand, startCommand, tempDir } from './run-command.ts';
import { outputRecord, resultRecord, type StoredTask, storeIn, writeTask } from './stored-tasks.ts';

const OUTPUT = '03-agent-output.jsonl';

const REVIEW: StoredTask = {
  id: 'task-01kdy0000000000000000000aa',
  metadata: { assigned_agent: 'claude' },
  stages: ['received', 'queue_push'],
  output: [
    { type: 'system', content: 'session started' },
    {
      type: 'tool_call',
      content: 'Using Read\n',
      attributes: { 'gen_ai.tool.name': 'Read', 'gen_ai.tool.call.arguments': { path: 'a.ts' } },
    },
    {
      type: 'tool_result',
      content: 'no such file',
      attributes: { 'gen_ai.tool.name': 'Read', 'tasktrail.tool.is_error': true },
    },
    { type: 'output', content: 'one\n\ttwo\n' },
    { type: 'result', content: 'Looks good.' },
  ],
  result: { success: false, status: 'failed', error: 'exited with code 3\nsecond line' },
};

async function withTasks(...tasks: readonly StoredTask[]): Promise<string> {
  const cwd = await tempDir();
  const store = storeIn(cwd);
  for (const task of tasks) await writeTask(store, task);
  await store.store.close('the test has written its tasks');
  return cwd;
}

function logs(cwd: string, ...args: readonly string[]): Promise<Run> {
  return runCommand(['logs', ...args], { cwd, input: '' });
}

function outputPath(cwd: string, id: string): string {
  return join(cwd, 'logs', id, OUTPUT);
}

test('stages come first, then each line with its type and tool, then the result', async () => {
  const cwd = await withTasks(REVIEW);
  const { code, stdout, stderr } = await logs(cwd, REVIEW.id);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const indent = ' '.repeat(27);
  expect(stdout.replaceAll(/^\d\d:\d\d:\d\d\.\d{3}/gm, 'TIME')).toBe(
    [
      'TIME  stage        received status="ok received"',
      'TIME  stage        queue_push status="ok queue_push"',
      'TIME  system       session started',
      'TIME  tool_call    Read Using Read {"path":"a.ts"}',
      'TIME  tool_result  Read [failed] no such file',
      'TIME  output       one',
      `${indent}\ttwo`,
      'TIME  result       Looks good.',
      'TIME  failed       45.2s, $0.0234, 1.5k tokens in, 800 out',
      `${indent}exited with code 3`,
      `${indent}second line`,
      '',
    ].join('\n'),
  );
});

test('--json prints every line as it is stored', async () => {
  const cwd = await withTasks(REVIEW);
  const stored = (file: string): string => readFileSync(join(cwd, 'logs', REVIEW.id, file), 'utf8');
  const { stdout } = await logs(cwd, REVIEW.id, '--json');
  expect(stdout).toBe(`${stored('02-webhook-flow.jsonl')}${stored(OUTPUT)}${stored('04-final-result.json')}`);
});

test('--type shows only lines of the types that it names', async () => {
  const cwd = await withTasks(REVIEW);
  const types = async (...args: readonly string[]): Promise<unknown[]> => {
    const { stdout } = await logs(cwd, REVIEW.id, '--json', ...args);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { type?: string; stage?: string; status?: string })
      .map(({ type, stage, status }) => type ?? stage ?? status);
  };
  expect(await types('--type', 'tool_call,tool_result')).toEqual(['tool_call', 'tool_result']);
  expect(await types('--type', 'stage, final')).toEqual(['received', 'queue_push', 'failed']);
  const { stdout } = await logs(cwd, REVIEW.id, '--type', 'output');
  expect(stdout.slice(14)).toBe(`output       one\n${' '.repeat(27)}\ttwo\n`);
});

const EVIL = '\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp\u2066\x7f\b';

const EVIL_TASK: StoredTask = {
  ...{ id: 'task-e', stages: ['received'], message: EVIL },
  output: [
    { type: 'output', content: `${EVIL}\n` },
    {
      type: 'tool_call',
      content: EVIL,
      attributes: { 'gen_ai.tool.name': `${EVIL}\n`, 'gen_ai.tool.call.arguments': EVIL },
    },
    { type: 'system', content: EVIL, attributes: { 'tasktrail.agent.output.original_bytes': EVIL } },
  ],
  result: { error: `${EVIL}\n${EVIL}` },
};

test('recorded text cannot steer the terminal', async () => {
  const cwd = await withTasks(EVIL_TASK);
  const { stdout } = await logs(cwd, 'task-e');
  const unsafe = [...stdout].filter((character) => /[\p{Cc}\p{Bidi_Control}]/u.test(character));
  expect(new Set(unsafe)).toEqual(new Set(['\n']));
  expect(stdout).toContain('\\x1b]0;owned\\x07\\x1b[2J\\x0d\\x9b31m\\u202egnp\\u2066\\x7f\\x08');
});

test.skipIf(!hasTerminal)('on a terminal JSON is escaped, and has the same values', async () => {
  const cwd = await withTasks(EVIL_TASK);
  const env = { HOME: cwd, TASK_LOGS_DIR: join(cwd, 'logs') };
  const terminal = openTerminal(`'${process.execPath}' '${MAIN}' logs task-e --json`, { cwd, env });
  await terminal.ended;
  const onTerminal = terminal.text();
  expect(onTerminal).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
  const { stdout: piped } = await logs(cwd, 'task-e', '--json');
  const values = (text: string): unknown[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  expect(values(onTerminal)).toEqual(values(piped));
});

test('a task is named by the beginning of its id, with or without "task-", or by nothing for the newest', async () => {
  const older = { ...REVIEW, metadata: { created_at: '2026-01-01T00:00:00.000Z' } };
  const newer = { id: 'task-01kdz0', metadata: { created_at: '2026-01-09T00:00:00.000Z' } };
  const cwd = await withTasks(older, { ...newer, output: [{ type: 'output', content: 'newest\n' }] });
  for (const words of [['task-01kdy'], ['01kdy'], ['01KDY0'], [REVIEW.id]])
    expect((await logs(cwd, ...words)).stdout, words.join()).toContain('session started');
  for (const words of [['task-01kdz'], ['01kdz0'], ['latest'], ['-'], []])
    expect((await logs(cwd, ...words)).stdout, words.join()).toContain('newest');
});

test('an ambiguous beginning of an id lists the ids that have it', async () => {
  const cwd = await withTasks(...['a1', 'a2', 'b'].map((id) => ({ id: `task-${id}` })));
  const { code, stdout, stderr } = await logs(cwd, 'a');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toBe(
    [
      'tasktrail: 2 task ids begin with a: give more characters of one of them',
      ...['task-a2', 'task-a1', '(see tasktrail logs --help)'].map((line) => `           ${line}`),
      '',
    ].join('\n'),
  );
});

test.each([
  [['task-nope'], 1, 'there is no task task-nope'],
  [[], 1, 'yet: run one, or use --dir'],
  [['../etc'], 2, 'task id "../etc" is not valid'],
  [['_webhooks'], 2, 'is not valid'],
  [['--type', 'shouting'], 2, '--type: there is no type "shouting"'],
  [['a', 'b'], 2, '(see tasktrail logs --help)'],
])('%j fails with a message that names the mistake', async (args, code, message) => {
  const cwd = await tempDir();
  const run = await logs(cwd, ...args);
  expect(run).toMatchObject({ code, stdout: '' });
  expect(run.stderr).toContain(message);
});

test('damaged lines are left out and counted, also in a gzipped file', async () => {
  const cwd = await withTasks(REVIEW);
  const path = outputPath(cwd, REVIEW.id);
  appendFileSync(path, '{"torn\n[]\n');
  expect((await logs(cwd, REVIEW.id)).stderr).toBe('tasktrail: 2 damaged line(s) left out\n');
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
  rmSync(path);
  for (const args of [[], ['-f']])
    expect((await logs(cwd, REVIEW.id, ...args)).stdout).toContain('Looks good.');
});

/** `logs -f` beside a store that is still open. */
async function following(
  args: readonly string[],
  task?: StoredTask,
): Promise<{ cwd: string; test: TestStore; text: () => string; stderr: () => string; ended: Promise<Run> }> {
  const cwd = await tempDir();
  const test = storeIn(cwd);
  if (task !== undefined) await writeTask(test, task);
  const { child, ended } = startCommand(['logs', '-f', ...args], { cwd });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (piece: string) => {
    stdout += piece;
  });
  child.stderr?.on('data', (piece: string) => {
    stderr += piece;
  });
  return { cwd, test, text: () => stdout, stderr: () => stderr, ended };
}

const RUNNING: StoredTask = { id: 'task-f', output: [{ type: 'output', content: 'first\n' }] };

function contents(text: string): string[] {
  return [...text.matchAll(/ output {7}(.*)$/gm)].map(([, content = '']) => content);
}

test('-f shows lines as they are written, and ends with the task', async () => {
  const { test, text, ended } = await following(['task-f'], RUNNING);
  await expect.poll(text).toContain('first');
  await test.logs(outputRecord('task-f', { type: 'output', content: 'second\n' }));
  await expect.poll(text).toContain('second');
  expect(text()).not.toContain('completed');
  await test.logs(outputRecord('task-f', { type: 'output', content: 'third\n' }), resultRecord('task-f'));
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(contents(stdout)).toEqual(['first', 'second', 'third']);
  expect(stdout).toMatch(/ completed {4}45\.2s, .*\n$/);
});

test('-f waits for a task that does not exist yet', async () => {
  const { cwd, test, text, stderr, ended } = await following(['task-f']);
  await expect.poll(stderr).toBe(`tasktrail: waiting for task-f in ${cwd}/logs\n`);
  await writeTask(test, RUNNING);
  await expect.poll(text).toContain('first');
  await test.logs(resultRecord('task-f'));
  expect((await ended).code).toBe(0);
});

test('-f shows each line once when the file is sorted and replaced meanwhile', async () => {
  const { cwd, text, test, ended } = await following(['task-f'], {
    ...RUNNING,
    output: ['first', 'second'].map((content) => ({ type: 'output', content: `${content}\n` })),
  });
  await expect.poll(text).toContain('second');
  const path = outputPath(cwd, 'task-f');
  const [first = '', second = ''] = readFileSync(path, 'utf8').trimEnd().split('\n');
  const extra = JSON.stringify({
    timestamp: '2026-01-02T03:04:05.000Z',
    type: 'output',
    content: 'late',
    event_id: 'x',
  });
  writeFileSync(`${path}.new`, `${extra}\n${second}\n${first}\n`);
  renameSync(`${path}.new`, path);
  await expect.poll(text).toContain('late');
  // The same with a gzipped file.
  const more = JSON.stringify({
    timestamp: '2026-01-02T03:04:06.000Z',
    type: 'output',
    content: 'later',
    event_id: 'y',
  });
  writeFileSync(`${path}.gz`, gzipSync(`${first}\n${more}\n${second}\n${extra}\n`));
  rmSync(path);
  await expect.poll(text).toContain('later');
  await test.logs(resultRecord('task-f'));
  expect(contents((await ended).stdout)).toEqual(['first', 'second', 'late', 'later']);
});

test('-f of a task that is over prints its lines and ends', async () => {
  const cwd = await withTasks(REVIEW);
  expect((await logs(cwd, '-f', REVIEW.id)).stdout).toBe((await logs(cwd, REVIEW.id)).stdout);
});

test('both forms end quietly when the reader of the output ends', async () => {
  const cwd = await withTasks(REVIEW, { ...RUNNING, id: 'task-r' });
  for (const args of [[REVIEW.id], ['-f', 'task-r']]) {
    const { child, ended } = startCommand(['logs', ...args], { cwd });
    child.stdout?.destroy();
    expect(await ended, args.join()).toMatchObject({ code: 0, stderr: '' });
  }
});

test('-f follows a task of a running service to its end', async () => {
  const cwd = await tempDir();
  const service = await ServiceProcess.start({ cwd });
  onTestFinished(() => service.dispose());
  const { ended } = startCommand(['logs', '-f'], { cwd });
  await service.submit({ message: 'look at the build' });
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(/ tool_call {4}\w+[\s\S]* completed /);
  expect((await logs(cwd)).stdout).toBe(stdout);
});

test('with an address for traces a link is the last line on standard error, except with --json', async () => {
  const trace_id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const cwd = await withTasks({ ...REVIEW, metadata: { ...REVIEW.metadata, trace_id } });
  const env = { TASK_LOGS_TRACE_URL: 'http://j.test/trace/{trace_id} http://other.test/{trace_id}' };
  const plain = await logs(cwd, REVIEW.id);
  for (const args of [[REVIEW.id], ['-f', REVIEW.id]]) {
    const linked = await runCommand(['logs', ...args], { cwd, input: '', env });
    expect(linked).toEqual({ ...plain, stderr: `trace: http://j.test/trace/${trace_id}\n` });
  }
  const json = await runCommand(['logs', '--json', REVIEW.id], { cwd, input: '', env });
  expect(json).toMatchObject({ code: 0, stderr: '' });
  // Without readable metadata there is no link, and everything else.
  writeFileSync(join(cwd, 'logs', REVIEW.id, 'metadata.json'), '{');
  expect(await runCommand(['logs', REVIEW.id], { cwd, input: '', env })).toEqual(plain);
});
