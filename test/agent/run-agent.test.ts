import { getEventListeners } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DEADLINE } from '../support/until.ts';
import { KeptRecording, Workshop } from './agent-run.ts';

let shop: Workshop;

beforeEach(async () => {
  shop = await Workshop.open();
});

afterEach(async () => {
  await shop.close();
});

test('the output lines of a program, joined, are its raw output', async () => {
  const raw = 'one\r\n\n\ttwo é\nno newline at the end';
  const command = await shop.program(`process.stdout.write(${JSON.stringify(raw)})`);
  const { outcome, recording } = await shop.run(command);
  expect(recording.outputs.map((output) => output.content)).toEqual([
    'one\r\n',
    '\n',
    '\ttwo é\n',
    'no newline at the end',
  ]);
  expect(recording.text()).toBe(raw);
  expect(outcome).toEqual({
    durationSeconds: expect.any(Number),
    success: true,
    result: raw,
    error: null,
    exitCode: 0,
    signal: null,
    model: null,
    usage: {
      costUsd: null,
      inputTokens: null,
      outputTokens: null,
      cacheReadInputTokens: null,
      cacheCreationInputTokens: null,
    },
  });
  expect(recording.ends).toEqual([outcome]);
});

test('bytes that are not UTF-8 are replaced, and the other characters are kept', async () => {
  const command = await shop.program(
    `process.stdout.write(Buffer.from([0x61, 0xff, 0xc3, 0x0a, 0x62, 0x0a, 0xe2, 0x82]))`,
  );
  const { outcome, recording } = await shop.run(command);
  expect(recording.outputs.map((output) => output.content)).toEqual(['a\uFFFD\uFFFD\n', 'b\n', '\uFFFD']);
  expect(outcome.success).toBe(true);
});

test('a line of ten megabytes arrives whole', async () => {
  const command = await shop.program(`process.stdout.write('x'.repeat(10_000_000) + '\\nend\\n')`);
  const { recording } = await shop.run(command);
  expect(recording.outputs.map((output) => output.content.length)).toEqual([10_000_001, 4]);
  expect(recording.outputs[0]?.more).toBeUndefined();
});

test('standard error is recorded line by line, marked by its stream', async () => {
  const command = await shop.program(
    `process.stderr.write('warn 1\\nwarn 2'); process.stdout.write('out\\n')`,
  );
  const { outcome, recording } = await shop.run(command);
  const stderr = recording.outputs.filter((output) => output.type === 'system');
  expect(stderr).toEqual([
    { type: 'system', content: 'warn 1\n', more: { stream: 'stderr' } },
    { type: 'system', content: 'warn 2', more: { stream: 'stderr' } },
  ]);
  expect(recording.text()).toBe('out\n');
  expect(outcome).toMatchObject({ success: true, error: null, result: 'out' });
});

test('output is recorded while the program is still running', async () => {
  const go = shop.path('go');
  const command = await shop.program(`
    import { existsSync } from 'node:fs';
    process.stdout.write('first\\n');
    const timer = setInterval(() => {
      if (!existsSync(${JSON.stringify(go)})) return;
      clearInterval(timer);
      process.stdout.write('second\\n');
    }, 5);`);
  const recording = new KeptRecording();
  const running = shop.run(command, { recording });
  await vi.waitFor(() => expect(recording.text()).toBe('first\n'), DEADLINE);
  expect(recording.ends).toEqual([]);
  await writeFile(go, '');
  expect((await running).outcome.success).toBe(true);
  expect(recording.text()).toBe('first\nsecond\n');
});

test('a failing exit code is an outcome with the last lines of standard error', async () => {
  const command = await shop.program(`
    for (let n = 1; n <= 12; n++) process.stderr.write('trouble ' + n + '\\n\\n');
    process.stdout.write('half done\\n');
    process.exitCode = 3;`);
  const { outcome, recording } = await shop.run(command);
  const last = Array.from({ length: 10 }, (_, n) => `trouble ${n + 3}`).join('\n');
  expect(outcome).toMatchObject({
    success: false,
    result: 'half done',
    error: `exited with code 3: ${last}`,
    errorType: 'exit_code',
    exitCode: 3,
    signal: null,
  });
  expect(recording.ends).toEqual([outcome]);
});

test('the outcome of a killed program names the signal', async () => {
  const { outcome } = await shop.run(await shop.program(`process.kill(process.pid, 'SIGKILL')`));
  expect(outcome).toMatchObject({
    success: false,
    error: 'killed by SIGKILL',
    errorType: 'signal',
    exitCode: null,
    signal: 'SIGKILL',
  });
});

test('a very long line on standard error is cut in the error text, not in the record', async () => {
  const command = await shop.program(`process.stderr.write('e'.repeat(5000)); process.exitCode = 1;`);
  const { outcome, recording } = await shop.run(command);
  expect(recording.stderr()).toHaveLength(5000);
  expect(outcome.error).toBe(`exited with code 1: ${'e'.repeat(300)}...`);
});

test('a missing command is an outcome with a remedy', async () => {
  const { outcome, recording } = await shop.run(['no-such-agent-anywhere', '-p']);
  expect(outcome).toMatchObject({
    success: false,
    error: 'cannot start "no-such-agent-anywhere": not found; install it, or give its full path',
    errorType: 'spawn',
    exitCode: null,
    signal: null,
  });
  expect(recording.ends).toEqual([outcome]);
  expect(readdirSync(shop.runs)).toEqual([]);
});

test('a file without execute permission is an outcome that names it', async () => {
  const path = shop.path('agent.sh');
  await writeFile(path, '#!/bin/sh\necho hi\n', { mode: 0o600 });
  const { outcome } = await shop.run([path]);
  expect(outcome).toMatchObject({ success: false, errorType: 'spawn' });
  expect(outcome.error).toContain('not executable');
});

test('a missing working directory is named, and not reported as a missing command', async () => {
  const { outcome } = await shop.run([process.execPath, '-v'], { cwd: shop.path('nowhere') });
  expect(outcome).toMatchObject({ success: false, errorType: 'spawn' });
  expect(outcome.error).toContain(`working directory ${JSON.stringify(shop.path('nowhere'))}`);
});

test('a message that cannot be an argument is an outcome', async () => {
  const long = await shop.run([process.execPath, '-v', '{message}'], { input: 'x'.repeat(3_000_000) });
  expect(long.outcome).toMatchObject({ success: false, errorType: 'spawn' });
  expect(long.outcome.error).toContain('arguments are too long');
  const nul = await shop.run([process.execPath, '-v', '{message}'], { input: 'a\0b' });
  expect(nul.outcome).toMatchObject({ success: false, errorType: 'spawn' });
  expect(nul.recording.ends).toHaveLength(1);
});

test('a run folder that cannot be made is an outcome', async () => {
  await writeFile(shop.path('file'), '');
  const { outcome, recording } = await shop.run([process.execPath, '-v'], {
    directory: shop.path('file/run'),
  });
  expect(outcome).toMatchObject({ success: false, errorType: 'spawn' });
  expect(outcome.error).toContain(shop.path('file/run'));
  expect(recording.ends).toEqual([outcome]);
});

test('misuse is thrown, and the recording is ended', async () => {
  for (const [command, options, error] of [
    [[], {}, TypeError],
    [[''], {}, TypeError],
    [['x'], { timeoutMs: 0 }, TypeError],
    [['x'], { timeoutMs: Number.NaN }, TypeError],
    [['x'], { dialect: 'clod' }, expect.objectContaining({ code: 'ERR_CONFIG_INVALID' })],
  ] as const) {
    const recording = new KeptRecording();
    await expect(shop.run(command, { ...options, recording })).rejects.toThrow(error);
    expect(recording.ends).toMatchObject([{ success: false }]);
  }
  expect(existsSync(shop.runs)).toBe(false);
});

const ECHO = `
  import { text } from 'node:stream/consumers';
  process.stdout.write(JSON.stringify({ args: process.argv.slice(2), stdin: await text(process.stdin), env: process.env, cwd: process.cwd() }));`;

test('the message goes to standard input and into the arguments, with the other placeholders', async () => {
  const command = [...(await shop.program(ECHO)), '--phase={phase}', '{message}', '{other}'];
  const message = 'Fix {phase}\nand "quotes" é\n';
  const { recording } = await shop.run(command, { input: message, placeholders: { phase: 'build' } });
  expect(JSON.parse(recording.text())).toMatchObject({
    args: ['--phase=build', message, '{other}'],
    stdin: message,
  });
});

test('without a message standard input is empty, and {message} is not replaced', async () => {
  const { recording } = await shop.run([...(await shop.program(ECHO)), '{message}']);
  expect(JSON.parse(recording.text())).toMatchObject({ args: ['{message}'], stdin: '' });
});

test('the child gets the environment, the directory and the trace of its recording', async () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const recording = new KeptRecording(traceparent);
  await mkdir(shop.path('work'));
  const env = { GIVEN: '1', TRACEPARENT: 'stale' };
  await shop.run(await shop.program(ECHO), { recording, env, cwd: shop.path('work') });
  const seen = JSON.parse(recording.text());
  expect(seen.env).toMatchObject({ GIVEN: '1', TRACEPARENT: traceparent });
  expect(seen.env.HOME).toBeUndefined();
  expect(seen.cwd).toBe(shop.path('work'));
});

test('the streams are private regular files, and only the outcome is left after the end', async () => {
  const command = await shop.program(`
    import { fstatSync, statSync } from 'node:fs';
    import { dirname } from 'node:path';
    const files = [0, 1, 2].map((fd) => fstatSync(fd));
    const directories = process.argv.slice(2).map((path) => statSync(path).mode & 0o777);
    process.stdout.write(JSON.stringify({
      regular: files.map((file) => file.isFile()), modes: files.map((file) => file.mode & 0o777), directories }));`);
  const { recording } = await shop.run([...command, shop.path('agent'), shop.runs], { input: 'hi' });
  expect(JSON.parse(recording.text())).toEqual({
    regular: [true, true, true],
    modes: [0o600, 0o600, 0o600],
    directories: [0o700, 0o700],
  });
  const [run = ''] = readdirSync(shop.runs);
  expect(readdirSync(join(shop.runs, run)).sort()).toEqual(['outcome.json', 'process.json', 'run.json']);
});

test('two runs in one directory do not mix', async () => {
  const command = await shop.program(
    `for (let n = 0; n < 200; n++) process.stdout.write(process.argv[2] + '\\n')`,
  );
  const runs = await Promise.all(['a', 'b', 'c'].map((name) => shop.run([...command, name])));
  expect(runs.map((run) => run.recording.text())).toEqual(
    ['a\n', 'b\n', 'c\n'].map((line) => line.repeat(200)),
  );
});

test('a program is stopped at its timeout, and the outcome names it', async () => {
  const { outcome, recording } = await shop.run(await shop.program('setInterval(() => {}, 1000)'), {
    timeoutMs: 200,
  });
  expect(outcome).toMatchObject({ success: false, error: 'timed out after 200 ms', errorType: 'timeout' });
  expect(outcome.signal).toBe('SIGTERM');
  expect(recording.ends).toEqual([outcome]);
});

test('output after SIGTERM is recorded, and the run is cancelled', async () => {
  const command = await shop.program(`
    process.on('SIGTERM', () => { process.stdout.write('stopping\\n'); process.exit(0); });
    process.stdout.write('ready\\n');
    setInterval(() => {}, 1000);`);
  const abort = new AbortController();
  const recording = new KeptRecording();
  const running = shop.run(command, { recording, signal: abort.signal });
  await vi.waitFor(() => expect(recording.text()).toBe('ready\n'), DEADLINE);
  abort.abort();
  expect((await running).outcome).toMatchObject({ success: false, errorType: 'cancelled', exitCode: 0 });
  expect(recording.text()).toBe('ready\nstopping\n');
});

test('a program that ignores SIGTERM is killed after the grace period', { tags: 'full' }, async () => {
  const command = await shop.program(`
    process.on('SIGTERM', () => process.stdout.write('no\\n'));
    process.stdout.write('ready\\n');
    setInterval(() => {}, 1000);`);
  const abort = new AbortController();
  const recording = new KeptRecording();
  const running = shop.run(command, { recording, signal: abort.signal, graceMs: 300 });
  await vi.waitFor(() => expect(recording.text()).toBe('ready\n'), DEADLINE);
  abort.abort();
  const { outcome } = await running;
  expect(outcome).toMatchObject({
    success: false,
    error: 'cancelled',
    errorType: 'cancelled',
    signal: 'SIGKILL',
  });
  expect(recording.text()).toBe('ready\nno\n');
});

test('a run that is cancelled before its start starts no program', async () => {
  const marker = shop.path('started');
  const command = await shop.program(
    `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(marker)}, '')`,
  );
  const { outcome, recording } = await shop.run(command, { signal: AbortSignal.abort() });
  expect(outcome).toMatchObject({ success: false, errorType: 'cancelled', exitCode: null, signal: null });
  expect(recording.ends).toEqual([outcome]);
  expect(existsSync(marker)).toBe(false);
});

test('an abort during the start stops the program', async () => {
  const abort = new AbortController();
  const running = shop.run(await shop.program('setInterval(() => {}, 1000)'), { signal: abort.signal });
  abort.abort();
  expect((await running).outcome).toMatchObject({
    success: false,
    errorType: 'cancelled',
    signal: 'SIGTERM',
  });
});

test('an abort after the end has no effect, and a timeout over the timer limit is none', async () => {
  const abort = new AbortController();
  const options = { signal: abort.signal, timeoutMs: 2 ** 40 };
  const { outcome, recording } = await shop.run(await shop.program(''), options);
  expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  abort.abort();
  expect(outcome.success).toBe(true);
  expect(recording.ends).toHaveLength(1);
});

/**
 * Starts a background process that ignores SIGTERM and keeps the output files open, and prints its pid when it is ready.
 * `detached` gives it a process group of its own. It exits after a minute.
 */
function leaveBehind(detached: boolean): string {
  const pidFile = JSON.stringify(shop.path('pid'));
  const source = `process.on('SIGTERM', () => {});
    require('fs').writeFileSync(${pidFile}, '');
    setTimeout(() => {}, 60_000);`;
  return `
    import { spawn } from 'node:child_process';
    import { existsSync } from 'node:fs';
    const options = { stdio: 'inherit', detached: ${detached} };
    const left = spawn(process.execPath, ['-e', ${JSON.stringify(source)}], options);
    left.unref();
    const ready = setInterval(() => {
      if (!existsSync(${pidFile})) return;
      clearInterval(ready);
      process.stdout.write(left.pid + '\\n');
    }, 5);`;
}

test('a background process in its own session does not delay the end of the run, and is ended', {
  tags: 'full',
}, async () => {
  const { outcome, recording } = await shop.run(await shop.program(leaveBehind(true)));
  const pid = Number(recording.text());
  expect(pid).toBeGreaterThan(1);
  expect(isAlive(pid)).toBe(false);
  expect(outcome.success).toBe(true);
});

test('a stop ends the background processes of the agent, also when they ignore SIGTERM', async () => {
  const command = await shop.program(`${leaveBehind(false)}\nsetInterval(() => {}, 1000);`);
  const abort = new AbortController();
  const recording = new KeptRecording();
  const running = shop.run(command, { recording, signal: abort.signal });
  await vi.waitFor(() => expect(recording.text()).toMatch(/^\d+\n$/), DEADLINE);
  abort.abort();
  expect((await running).outcome).toMatchObject({ errorType: 'cancelled', signal: 'SIGTERM' });
  const pid = Number(recording.text());
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), DEADLINE);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    // ESRCH: it has ended.
    return false;
  }
  // A killed process is a zombie until its parent collects it.
  return !existsSync('/proc') || !/^State:\s+Z/m.test(readStatus(pid));
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // ENOENT: it has ended in between.
    return 'State: Z';
  }
}

test.skipIf(!existsSync('/proc/self/stat'))('the program is in a process group of its own', async () => {
  const command = await shop.program(`
    import { readFileSync } from 'node:fs';
    const group = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')[2];
    process.stdout.write(process.ppid + ' ' + group);`);
  const [parent, group] = (await shop.run(command)).recording.text().split(' ');
  expect(group).toBe(parent);
  expect(parent).not.toBe(String(process.pid));
});

test('a failing recording stops the agent', async () => {
  const command = await shop.program(`
    process.stdout.write(process.pid + '\\n');
    setInterval(() => {}, 1000);`);
  const recording = new (class extends KeptRecording {
    override output(...given: Parameters<KeptRecording['output']>): void {
      super.output(...given);
      throw new Error('full');
    }
  })();
  const { outcome } = await shop.run(command, { recording });
  expect(outcome).toMatchObject({
    success: false,
    error: 'its output could not be read: full',
    signal: 'SIGTERM',
  });
  expect(recording.ends).toEqual([outcome]);
});

test('a program is killed when its output exceeds the limit, also when it ignores SIGTERM', {
  tags: 'full',
}, async () => {
  const command = await shop.program(`
    process.on('SIGTERM', () => {});
    const { writeSync } = await import('node:fs');
    const piece = 'y\\n'.repeat(50_000);
    for (;;) writeSync(1, piece);`);
  const { outcome } = await shop.run(command, { streamBytesMax: 5_000_000 });
  expect(outcome).toMatchObject({
    success: false,
    error: 'it printed more than 5000000 bytes to stdout',
    errorType: 'output_limit',
    signal: 'SIGKILL',
  });
});
