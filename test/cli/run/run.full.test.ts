import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { ECHO_MS } from '../../../src/cli/stop-signals.ts';
import { endProcesses, findProcesses } from '../../../src/system/processes.ts';
import { MAIN } from '../../support/built.ts';
import { processesWith, ServiceProcess } from '../../support/service-process.ts';
import { type Env, namesIn, type Run, runCommand, startCommand, tempDir } from '../run-command.ts';

const SAMPLES = resolve(import.meta.dirname, '../../samples/claude-code');

interface Options {
  readonly cwd?: string;
  readonly input?: string | Buffer;
  readonly env?: Env;
}

async function run(args: readonly string[], options: Options = {}): Promise<Run & { readonly cwd: string }> {
  const { cwd = await tempDir(), input = '', env = {} } = options;
  return { cwd, ...(await runCommand(['run', ...args], { cwd, input, env })) };
}

/** A shell script as the agent. */
function sh(script: string, ...args: readonly string[]): readonly string[] {
  return ['--', 'sh', '-c', script, 'sh', ...args];
}

function tasksIn(cwd: string): readonly string[] {
  return namesIn(join(cwd, 'logs')).filter((name) => name.startsWith('task-'));
}

/** The documents and output lines of the only task. */
function taskIn(cwd: string): {
  readonly id: string;
  readonly metadata: Record<string, unknown>;
  readonly input: Record<string, unknown>;
  readonly result: Record<string, unknown>;
  readonly output: readonly Record<string, unknown>[];
} {
  const [id = ''] = tasksIn(cwd);
  expect(tasksIn(cwd)).toHaveLength(1);
  const read = (file: string): string => readFileSync(join(cwd, 'logs', id, file), 'utf8');
  const parse = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
  return {
    id,
    metadata: parse(read('metadata.json')),
    input: parse(read('01-input.json')),
    result: parse(read('04-final-result.json')),
    output: existsSync(join(cwd, 'logs', id, '03-agent-output.jsonl'))
      ? read('03-agent-output.jsonl').trimEnd().split('\n').map(parse)
      : [],
  };
}

test('the output of the agent is copied byte for byte, each stream to its own', async () => {
  const script = 'printf "\\033[1mone\\r\\n\\377\\376 two"; printf "warned\\n" >&2; exit 3';
  const child = spawn(process.execPath, [MAIN, 'run', ...sh(script)], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: await tempDir(),
      TASK_LOGS_DIR: join(await tempDir(), 'logs'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pieces: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString();
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(Buffer.concat(pieces).toString('latin1')).toBe('\x1b[1mone\r\n\xff\xfe two');
  expect({ code, stderr }).toEqual({ code: 3, stderr: 'warned\n' });
});

test('the run is a task with its source, output and result', async () => {
  const { cwd, code } = await run(
    ['--name', 'tester', '--source', 'nightly', ...sh('echo hi; echo no >&2')],
    {
      input: 'look at it\n',
    },
  );
  expect(code).toBe(0);
  const { metadata, input, result, output } = taskIn(cwd);
  expect(metadata).toMatchObject({ source: 'nightly', status: 'completed', assigned_agent: 'tester' });
  expect(input).toMatchObject({ message: 'look at it', source_metadata: { cwd } });
  expect(result).toMatchObject({ success: true, status: 'completed' });
  const lines = output.map(({ type, content }) => `${String(type)} ${String(content)}`);
  expect(lines.sort()).toEqual(['output hi\n', 'system no\n']);
  expect(readFileSync(join(cwd, 'logs', tasksIn(cwd)[0] ?? '', 'trace.jsonl'), 'utf8')).toContain(
    'invoke_agent tester',
  );
  // The run's folder is removed, and the directory has no holder.
  expect(namesIn(join(cwd, 'logs/_agent'))).toEqual([]);
  expect(namesIn(join(cwd, 'logs'))).not.toContain('_lock.json');
});

test('output is copied while the agent runs', async () => {
  const cwd = await tempDir();
  const { child, ended } = startCommand(
    ['run', ...sh('echo first; until [ -e go ]; do sleep 0.05; done; echo second')],
    {
      cwd,
      input: '',
    },
  );
  let stdout = '';
  child.stdout?.on('data', (piece: string) => {
    stdout += piece;
  });
  await expect.poll(() => stdout).toBe('first\n');
  writeFileSync(join(cwd, 'go'), '');
  expect(await ended).toMatchObject({ code: 0, stdout: 'first\nsecond\n' });
});

test.each([
  ['exit 0', 0, 'completed', null],
  ['exit 7', 7, 'failed', 'exited with code 7'],
  ['kill -9 $$', 137, 'failed', 'SIGKILL'],
  ['kill -15 $$', 143, 'failed', 'SIGTERM'],
])('"%s" is exit code %d', async (script, exitCode, status, error) => {
  const { cwd, code } = await run(sh(script));
  expect(code).toBe(exitCode);
  const { result } = taskIn(cwd);
  expect(result.status).toBe(status);
  if (error === null) expect(result.error).toBe(null);
  else expect(result.error).toContain(error);
});

test('a command that cannot be started has a shell exit code, 127 or 126, and a message', async () => {
  const missing = await run(['--', 'no-such-program']);
  expect(missing).toMatchObject({ code: 127, stdout: '' });
  expect(missing.stderr).toContain('tasktrail: cannot start "no-such-program"');
  expect(taskIn(missing.cwd).result).toMatchObject({ status: 'failed', success: false });
  const data = await run(['--', '/etc/passwd']);
  expect(data.code).toBe(126);
  expect((await run(['--', '/etc'])).code).toBe(126);
});

test('--timeout gives exit code 124, also when the agent exits with 0 on SIGTERM', async () => {
  const { cwd, code } = await run([
    '--timeout',
    '0.5',
    ...sh('trap "exit 0" TERM; while :; do sleep 0.05; done'),
  ]);
  expect(code).toBe(124);
  expect(taskIn(cwd).result).toMatchObject({ status: 'failed', error: expect.stringContaining('timed out') });
});

test('a failure in the result line fails the task, and the exit code of the agent is kept', async () => {
  const { cwd, code, stdout } = await run([
    '--dialect',
    'claude',
    '--',
    'cat',
    join(SAMPLES, 'error529.jsonl'),
  ]);
  expect(code).toBe(0);
  expect(stdout).toBe(readFileSync(join(SAMPLES, 'error529.jsonl'), 'utf8'));
  expect(taskIn(cwd).result).toMatchObject({ status: 'failed', success: false });
});

test('the first message decides the dialect, which gives typed lines, cost and tokens', async () => {
  const cwd = await tempDir();
  mkdirSync(join(cwd, 'bin'));
  writeFileSync(join(cwd, 'bin/claude'), `#!/bin/sh\ncat '${join(SAMPLES, 'demo.jsonl')}'\n`, {
    mode: 0o755,
  });
  const PATH = `${join(cwd, 'bin')}:${process.env.PATH ?? ''}`;
  const { stderr } = await run(['--verbose', '--', 'claude', '-p', '--output-format', 'stream-json'], {
    ...{ cwd, env: { PATH } },
  });
  const { id, output, metadata, result } = taskIn(cwd);
  expect(output.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['tool_call', 'tool_result', 'result']),
  );
  expect(metadata).toMatchObject({ assigned_agent: 'claude', model: 'claude-opus-5-5', source: 'cli' });
  expect(result).toMatchObject({
    metrics: { cost_usd: expect.any(Number), output_tokens: expect.any(Number) },
  });
  expect(stderr).toMatch(new RegExp(`^tasktrail: ${id} completed, \\$0\\.\\d{4}, .*: ${cwd}/logs/${id}\n$`));
});

test('--verbose prints the link to the trace', async () => {
  const env = { TASK_LOGS_TRACE_URL: 'http://j.test/trace/{trace_id}?task={task_id}' };
  for (const [script, status] of [
    ['exit 0', 'completed'],
    ['exit 3', 'failed'],
  ] as const) {
    const { cwd, stderr } = await run(['--verbose', ...sh(script)], { env });
    const { id, metadata } = taskIn(cwd);
    const [summary, link] = stderr.trimEnd().split('\n').slice(-2);
    expect(summary).toMatch(new RegExp(`^tasktrail: ${id} ${status}: `));
    expect(link).toBe(`tasktrail: trace: http://j.test/trace/${metadata.trace_id}?task=${id}`);
  }
  expect((await run(sh('exit 0'), { env })).stderr).toBe('');
});

test('--message is standard input and replaces {message}, and piped input is ignored', async () => {
  const { cwd, stdout } = await run(['--message', 'do it', ...sh('cat; echo "[$1]"', '{message}')], {
    input: 'not this',
  });
  expect(stdout).toBe('do it[do it]\n');
  expect(taskIn(cwd).input.message).toBe('do it');
});

test('piped input is the message, byte for byte, up to a limit', async () => {
  const { cwd, stdout } = await run(sh('wc -c'), { input: 'zwei Wörter\n\n' });
  expect(stdout.trim()).toBe('14');
  expect(taskIn(cwd).input.message).toBe('zwei Wörter\n');
  const limit = await run(sh('wc -c'), { input: Buffer.alloc(4 * 1_048_576 + 1, 'a') });
  expect(limit).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('more than 4194304 bytes'),
  });
  expect(tasksIn(limit.cwd)).toEqual([]);
});

test('without a message the agent gets an empty input, and the redacted command line is recorded', async () => {
  const secret = `ghp_${'a1B2'.repeat(9)}`;
  const { cwd, stdout } = await run(sh('wc -c', 'two words', secret));
  expect(stdout.trim()).toBe('0');
  const { message } = taskIn(cwd).input;
  expect(message).toBe("sh -c 'wc -c' sh 'two words' [redacted:github-token]");
  for (const file of ['metadata.json', '01-input.json', 'facts.jsonl', 'trace.jsonl'])
    expect(readFileSync(join(cwd, 'logs', tasksIn(cwd)[0] ?? '', file), 'utf8'), file).not.toContain(secret);
});

test('an open socket as standard input delays the run for a few seconds only', async () => {
  const { ended } = startCommand(['run', ...sh('cat; echo ran')], { cwd: await tempDir() });
  const { code, stdout, stderr } = await ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'ran\n' });
  expect(stderr).toContain('no data on standard input');
});

test('options of the command are passed on, with and without --', async () => {
  const { stdout } = await run(['echo', '--name', '-n', '--help']);
  expect(stdout).toBe('--name -n --help\n');
  expect((await run(['--', 'echo', '--', '--version'])).stdout).toBe('-- --version\n');
});

test.each([
  [[], 'name a command'],
  [['--'], 'name a command'],
  [['--', ''], 'name a command'],
  [['--message', '', '--', 'true'], '--message: must not be empty'],
  [['--name', ' ', '--', 'true'], '--name: must not be empty'],
  [['--dialect', 'klingon', '--', 'true'], '--dialect: "klingon" is not known'],
  [['--timeout', '0', '--', 'true'], '--timeout: '],
  [['--timeout', 'soon', '--', 'true'], '--timeout: '],
  [['--timeout', '1e9', '--', 'true'], '--timeout: '],
  [['--cwd', 'no-such-folder', '--', 'true'], '--cwd: "no-such-folder"'],
  [['--colour', '--', 'true'], '(see tasktrail run --help)'],
])('%j is refused before a program is started or a file is written', async (args, message) => {
  const { cwd, code, stdout, stderr } = await run(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
  expect(existsSync(join(cwd, 'logs'))).toBe(false);
});

test('invalid settings stop the run', async () => {
  const { code, stderr } = await run(sh('echo ran'), { env: { TASK_LOGS_RETENTION_DAYS: 'many' } });
  expect(code).toBe(2);
  expect(stderr).toContain('TASK_LOGS_RETENTION_DAYS');
});

/** Starts a run whose agent prints `ready` before the script. */
async function started(
  script: string,
  cwd: string,
  env: Env = {},
): Promise<ReturnType<typeof startCommand> & { text: () => string }> {
  const started = startCommand(['run', ...sh(`echo ready; ${script}`)], { cwd, env, input: '' });
  let stdout = '';
  started.child.stdout?.on('data', (piece: string) => {
    stdout += piece;
  });
  await expect.poll(() => stdout).toContain('ready');
  return { ...started, text: () => stdout };
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s ends the agent, cancels the task and is exit code %d', async (signal, code) => {
  const cwd = await tempDir();
  const { child, ended } = await started('trap "echo bye; exit 0" TERM; while :; do sleep 0.05; done', cwd);
  child.kill(signal);
  const run = await ended;
  expect(run.code).toBe(code);
  expect(run.stdout).toBe('ready\nbye\n');
  expect(taskIn(cwd)).toMatchObject({
    metadata: { status: 'cancelled' },
    result: { status: 'cancelled', error: `cancelled by ${signal}` },
  });
});

/** Starts a process that ignores SIGTERM, in the agent's process group or, with setsid, in its own session. */
const DEAF = (prefix = ''): string =>
  `${prefix} sh -c 'trap "" TERM; echo started; while :; do sleep 0.05; done' & `;

/** Pids of the run in this directory, recorded or not. */
function processesIn(cwd: string): readonly number[] {
  return findProcesses('HOME', (home) => home === cwd);
}

async function processDir(): Promise<string> {
  const cwd = await tempDir();
  onTestFinished(async () => void (await endProcesses(() => processesIn(cwd), { graceMs: 0 })));
  return cwd;
}

/** A second signal counts when it does not come with the first one. */
const AFTER_ECHO_MS = ECHO_MS + 100;

/** Ignores SIGTERM, and starts a process in a session of its own that ignores it too. */
const DEAF_TREE =
  'trap "echo ignored" TERM; setsid sh -c "trap : TERM; while :; do sleep 0.05; done" & while :; do sleep 0.05; done';

test('a second signal kills an agent that ignores the first one, and everything that it started', async () => {
  const [once, twice] = [await processDir(), await processDir()];
  const waiting = await started(DEAF_TREE, once);
  const { child, ended, text } = await started(DEAF_TREE, twice);
  // The output can arrive before the task's directory is made.
  await expect.poll(() => tasksIn(twice)).toHaveLength(1);
  const id = tasksIn(twice)[0] ?? '';
  const running = (): Promise<number[]> => processesWith(`TASK_LOGS_TASK_ID=${id}`);
  await expect.poll(running).not.toEqual([]);
  waiting.child.kill('SIGINT');
  await expect.poll(waiting.text).toContain('ignored');
  child.kill('SIGINT');
  await expect.poll(text).toContain('ignored');
  await delay(AFTER_ECHO_MS);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(130);
  // With a single signal the same agent is still in its grace period.
  expect(waiting.child.exitCode).toBeNull();
  expect(taskIn(twice).result.status).toBe('cancelled');
  expect(await running()).toEqual([]);
  waiting.child.kill('SIGTERM');
  expect((await waiting.ended).code).toBe(130);
});

test('inside an agent of a service the command runs, and one line says where its output is recorded', async () => {
  const env = { TASK_LOGS_TASK_ID: 'task-outer', TASK_LOGS_STORE: 'false' };
  const { cwd, code, stdout, stderr } = await run(sh('echo inner; exit 7'), { env });
  expect({ code, stdout }).toEqual({ code: 7, stdout: 'inner\n' });
  expect(stderr).toBe(
    'tasktrail: this command ran inside an agent: what it printed belongs to the task of that agent, and no task of its own was recorded\n',
  );
  expect(namesIn(join(cwd, 'logs'))).toEqual([]);
});

test('a run inside a run is a task of its own, without a word about refused copies', async () => {
  const inner = `"${process.execPath}" "${MAIN}"`;
  const { cwd, code, stdout, stderr } = await run(
    sh(
      `${inner} run -- sh -c "echo inner; exit 7"; echo $?; ${inner} emit workflow_start wf --task other >&2`,
    ),
  );
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'inner\n7\n' });
  expect(stderr).toMatch(/^\{"event_type":"workflow_start".*\}\n$/);
  expect(tasksIn(cwd)).toHaveLength(2);
});

test('a closed standard output stops neither the agent nor its recording', async () => {
  const cwd = await tempDir();
  const { child, ended } = await started(
    'until [ -e go ]; do sleep 0.05; done; seq 1 5000; echo end >&2; exit 4',
    cwd,
  );
  child.stdout?.destroy();
  writeFileSync(join(cwd, 'go'), '');
  expect(await ended).toMatchObject({ code: 4, stderr: 'end\n' });
  expect(taskIn(cwd).output.filter(({ type }) => type === 'output')).toHaveLength(5001);
});

test('a slow reader delays neither the agent nor its recording, and gets every byte', async () => {
  const cwd = await tempDir();
  const child = spawn(process.execPath, [MAIN, 'run', ...sh('seq -f %0299.f 1 2000; exit 5')], {
    env: { PATH: process.env.PATH ?? '', HOME: cwd, TASK_LOGS_DIR: join(cwd, 'logs') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const isOver = (): boolean =>
    existsSync(join(cwd, 'logs', tasksIn(cwd)[0] ?? 'none', '04-final-result.json'));
  // 600 kB exceed the socket buffer: the command cannot exit before its output is read, but its task ends.
  await expect.poll(isOver, { interval: 50 }).toBe(true);
  expect(child.exitCode).toBe(null);
  let stdout = '';
  for await (const piece of child.stdout) stdout += String(piece);
  expect(await exited).toBe(5);
  const numbers = Array.from({ length: 2_000 }, (_, index) => String(index + 1));
  expect(stdout).toBe(numbers.map((number) => `${number.padStart(299, '0')}\n`).join(''));
});

test('an agent that cannot be recorded runs, and one line gives the reason', async () => {
  const cwd = await tempDir();
  writeFileSync(join(cwd, 'logs'), 'a file');
  const script = 'cat; echo; echo warned >&2; exit 4';
  const { code, stdout, stderr } = await run(sh(script), { cwd, input: 'the message' });
  expect({ code, stdout }).toEqual({ code: 4, stdout: 'the message\n' });
  const [warned, line, ...more] = stderr.split('\n');
  expect({ warned, more }).toEqual({ warned: 'warned', more: [''] });
  expect(line).toMatch(/^tasktrail: nothing is recorded: TASK_LOGS_DIR: .*\/logs/);
  expect((await run(['--', 'no-such-program'], { cwd })).code).toBe(127);
  expect((await run(['--', '/etc/passwd'], { cwd })).code).toBe(126);
  expect((await run(['--timeout', '0.3', '--', 'sleep', '60'], { cwd })).code).toBe(124);
  expect((await run(sh('kill -9 $$'), { cwd })).code).toBe(137);
  expect((await run(['--message', 'do it', '--', 'echo', '{message}'], { cwd })).stdout).toBe('do it\n');
});

test('an agent whose run files cannot be made runs, and its task is failed', async () => {
  const cwd = await tempDir();
  mkdirSync(join(cwd, 'logs'));
  writeFileSync(join(cwd, 'logs/_agent'), 'a file');
  const { code, stdout, stderr } = await run(sh('cat; echo; exit 4'), { cwd, input: 'the message' });
  expect({ code, stdout }).toEqual({ code: 4, stdout: 'the message\n' });
  expect(stderr).toMatch(/^tasktrail: the agent's output is not recorded: .*\n$/);
  expect(taskIn(cwd).result.status).toBe('failed');
});

test('an unrecorded agent is ended by a signal and killed by the second one', async () => {
  const cwd = await tempDir();
  const deaf = 'trap "echo deaf" TERM; while :; do sleep 0.05; done';
  const { child, ended, text } = await started(deaf, cwd, { TASK_LOGS_ENABLED: 'false' });
  child.kill('SIGTERM');
  await expect.poll(text).toContain('deaf');
  await delay(AFTER_ECHO_MS);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(143);
  const polite = await started('trap "exit 0" TERM; while :; do sleep 0.05; done', cwd, {
    TASK_LOGS_ENABLED: 'false',
  });
  polite.child.kill('SIGINT');
  expect((await polite.ended).code).toBe(130);
});

test('an unrecorded agent leaves no background process behind', async () => {
  const cwd = await processDir();
  const env = { TASK_LOGS_ENABLED: 'false' };
  const exited = await run(sh(`${DEAF()} ${DEAF('setsid')} sleep 0.5; exit 3`), { cwd, env });
  expect(exited.code).toBe(3);
  await expect.poll(() => processesIn(cwd)).toEqual([]);
});

test.each([
  ['timed out', []],
  ['interrupted once', ['SIGINT']],
  ['interrupted twice', ['SIGINT', 'SIGINT']],
] as const)(
  'an unrecorded agent that is %s is ended with its background processes',
  async (what, signals) => {
    const cwd = await processDir();
    const timeout = what === 'timed out' ? ['--timeout', '3'] : [];
    const script = `${DEAF()} ${DEAF('setsid')} while :; do sleep 0.05; done`;
    const { child, ended } = startCommand(['run', ...timeout, ...sh(script)], {
      cwd,
      env: { TASK_LOGS_ENABLED: 'false' },
      input: '',
    });
    let stdout = '';
    child.stdout?.on('data', (piece: string) => {
      stdout += piece;
    });
    await expect.poll(() => stdout).toBe('started\nstarted\n');
    for (const [index, signal] of signals.entries()) {
      if (index > 0) await delay(AFTER_ECHO_MS);
      child.kill(signal);
    }
    expect((await ended).code).toBe(what === 'timed out' ? 124 : 130);
    await expect.poll(() => processesIn(cwd)).toEqual([]);
  },
);

test('TASK_LOGS_ENABLED=false runs the agent and records nothing', async () => {
  const { cwd, code, stdout, stderr } = await run(sh('cat; exit 6'), {
    ...{ input: 'hello', env: { TASK_LOGS_ENABLED: 'false' } },
  });
  expect({ code, stdout, stderr }).toEqual({ code: 6, stdout: 'hello', stderr: '' });
  expect(existsSync(join(cwd, 'logs'))).toBe(false);
});

test('while a service holds the directory the run is stored by the service and listed over REST', async () => {
  const cwd = await tempDir();
  const service = await ServiceProcess.start({ cwd });
  onTestFinished(() => service.dispose());
  const { code, stdout, stderr } = await run(sh('echo hi; exit 2'), { cwd });
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: 'hi\n', stderr: '' });
  const { items } = (await (await fetch(`${service.url}/api/tasks`)).json()) as { items: unknown[] };
  expect(items).toMatchObject([{ source: 'cli', status: 'failed', assigned_agent: 'sh' }]);
});

test('a run that outlives the holder of the directory stores the rest of its records', async () => {
  const cwd = await tempDir();
  const service = await ServiceProcess.start({ cwd });
  onTestFinished(() => service.dispose());
  const { child, ended } = await started('until [ -e go ]; do sleep 0.05; done; echo last', cwd);
  await service.stop();
  writeFileSync(join(cwd, 'go'), '');
  const { code, stderr } = await ended;
  expect({ code, stderr, killed: child.killed }).toEqual({ code: 0, stderr: '', killed: false });
  expect(taskIn(cwd).result).toMatchObject({ success: true });
  expect(taskIn(cwd).output.map(({ content }) => content)).toEqual(['ready\n', 'last\n']);
  expect(readdirSync(join(cwd, 'logs/_journal'))).toEqual([]);
});

test('concurrent runs in one directory are all recorded', async () => {
  const cwd = await tempDir();
  const runs = await Promise.all([1, 2, 3].map((n) => run(sh(`echo ${n}; exit ${n}`), { cwd })));
  expect(runs.map(({ code, stdout, stderr }) => [code, stdout, stderr])).toEqual([
    [1, '1\n', ''],
    [2, '2\n', ''],
    [3, '3\n', ''],
  ]);
  const ids = tasksIn(cwd);
  expect(ids).toHaveLength(3);
  for (const id of ids) expect(existsSync(join(cwd, 'logs', id, '04-final-result.json')), id).toBe(true);
});
