import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { AgentProcessOptions } from '../../../src/agent/run-agent.ts';
import type { AgentOutcome } from '../../../src/model/agent-output.ts';
import { objectOf } from '../../../src/model/json.ts';
import { built } from '../../support/built.ts';
import { DEADLINE } from '../../support/until.ts';
import { KeptRecording, Workshop } from '../agent-run.ts';

const PROGRAM = [process.execPath, built('agent/sample/sample-agent.ts')];
let shop: Workshop;
let temp: string;

beforeEach(async () => {
  shop = await Workshop.open();
  temp = shop.path('temp');
  await mkdir(temp);
});

afterEach(() => shop.close());

interface SampleRun {
  readonly outcome: AgentOutcome;
  readonly recording: KeptRecording;
}

async function runPhase(phase: string, options: Partial<AgentProcessOptions> = {}): Promise<SampleRun> {
  return shop.run([...PROGRAM, '--phase', phase, '--step', 'one'], {
    dialect: 'claude',
    input: 'Add a button\nplease',
    env: { PATH: process.env.PATH ?? '', TMPDIR: temp },
    ...options,
  });
}

/** Starts the program without tasktrail around it. Without an input its standard input is /dev/null. */
function startSample(phase: string, input?: string | Buffer): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(PROGRAM[0] ?? '', [...PROGRAM.slice(1), '--phase', phase], {
    env: { TMPDIR: temp },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  onTestFinished(() => void child.kill('SIGKILL'));
  // Both outputs are pipes, which the type of `spawn` cannot see.
  return child as ChildProcessByStdio<null, Readable, Readable>;
}

const CALL = (tool: string): readonly string[] => [`tool_call ${tool}`, `tool_result ${tool}`];

test.each([
  ['frame', ['thinking', 'output', ...CALL('Read'), 'output', 'output']],
  ['architect', ['thinking', 'output', ...CALL('Read'), ...CALL('Write'), 'output']],
  ['evaluate', ['thinking', 'output', ...CALL('Read'), 'output', 'output']],
  ['release', ['thinking', 'output', ...CALL('Read'), ...CALL('Edit'), 'output']],
  ['anything', ['thinking', 'output', ...CALL('Read'), 'output']],
])('the phase %s works with tools and succeeds', { tags: 'full' }, async (phase, steps) => {
  const run = await runPhase(phase);
  const { outcome, recording } = run;
  const seen = recording.outputs.map(({ type, toolName = '' }) => `${type} ${toolName}`.trim());
  expect(seen).toEqual(['system', ...steps, 'result']);
  expect(outcome).toMatchObject({ success: true, error: null, model: 'tasktrail-sample-agent' });
  expect(outcome.result).toContain('For "Add a button": ');
  for (const { type, content } of recording.outputs)
    if (['thinking', 'output', 'result'].includes(type))
      expect(content).toMatch(new RegExp(`^\\[sample agent, ${phase}/one\\] `));
});

test('the phase build writes a module, sees its test fail, fixes it, and sees the test pass', {
  tags: 'full',
}, async () => {
  const run = await runPhase('build');
  const { outcome, recording } = run;
  const tools = recording.outputs.filter(({ type }) => type === 'tool_call');
  expect(tools.map(({ toolName }) => toolName)).toEqual(['Read', 'Write', 'Write', 'Bash', 'Edit', 'Bash']);
  const results = recording.outputs.filter(({ type }) => type === 'tool_result');
  expect(results.map(({ isError }) => isError)).toEqual([false, false, false, true, false, false]);
  expect(results[3]?.content).toMatch(/^Exit code 1\n.*punctuation does not reach the slug/);
  expect(results[3]?.content).toContain(`'fix-the-login,-please!'`);
  expect(results[5]?.content).toContain('pass 1');
  expect(outcome.success).toBe(true);
});

test('the edit of the build phase is the diff of the evaluate phase', { tags: 'full' }, async () => {
  const [build, evaluate] = await Promise.all([runPhase('build'), runPhase('evaluate')]);
  const edit = build.recording.outputs.find(
    ({ type, toolName }) => type === 'tool_call' && toolName === 'Edit',
  );
  const { old_string: before, new_string: after } = objectOf(edit?.toolInput);
  const diff = evaluate.recording.outputs.find(({ type }) => type === 'tool_result')?.content;
  expect(diff).toContain(`\n-${before}\n+${after}\n`);
});

test('cost and tokens follow from the length of the run, and the result says that they are invented', {
  tags: 'full',
}, async () => {
  const { outcome } = await runPhase('build');
  const { costUsd, inputTokens, outputTokens, cacheReadInputTokens, cacheCreationInputTokens } =
    outcome.usage;
  const [input = 0, output = 0, cacheRead = 0, cacheCreation = 0] = [
    inputTokens,
    outputTokens,
    cacheReadInputTokens,
    cacheCreationInputTokens,
  ].map(Number);
  expect(output).toBeGreaterThan(100);
  const uncached = input - cacheRead - cacheCreation;
  expect(uncached).toBeGreaterThan(100);
  const expected = (3 * uncached + 0.3 * cacheRead + 3.75 * cacheCreation + 15 * output) / 1e6;
  expect(costUsd).toBeCloseTo(expected, 9);
  expect(costUsd).toBeLessThan(0.1);
  expect(outcome.result).toContain('cost and tokens are invented');
});

test('the phases have different results, and a phase named like a property of an object is an unknown one', {
  tags: 'full',
}, async () => {
  const phases = ['frame', 'architect', 'evaluate', 'release', 'anything', 'constructor'];
  const runs = await Promise.all(phases.map((phase) => runPhase(phase)));
  const results = runs.map(({ outcome }) => outcome.result?.replace(/^\[.*?\]/, ''));
  expect(new Set(results).size).toBe(5);
  expect(results[5]).toBe(results[4]);
});

test.each([
  ['an empty request', '', 'For an empty request: '],
  ['a blank request', ' \n\t\r\n', 'For an empty request: '],
  ['quotes and placeholders', '\n"{message}" $(id) `x`\n', String.raw`For "\"{message}\" $(id) ${'`x`'}": `],
  ['control characters', 'a\0b\u001b[31mc\n', 'For "a b [31mc": '],
  ['a title that is cut', '\u{1f600}'.repeat(100), `For "${'\u{1f600}'.repeat(60)}...": `],
  ['five megabytes', 'word '.repeat(1_000_000), `For "${'word '.repeat(12)}...": `],
])('%s: a request that the sample can work on', async (_what, input, start) => {
  const { outcome, recording } = await runPhase('frame', { input });
  expect(outcome.success).toBe(true);
  expect(outcome.result).toContain(start);
  for (const { content } of recording.outputs) {
    expect(content.length).toBeLessThan(3_000);
    // Half of a surrogate pair.
    expect(content).not.toMatch(/\p{Surrogate}/u);
  }
});

test.each([
  ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x41, 0x0a]), 'For "\uFFFD\uFFFDA": '],
  ['no input at all', undefined, 'For an empty request: '],
])('%s: a standard input that the sample can work on', async (_what, input, start) => {
  const child = startSample('frame', input);
  const closed = once(child, 'close');
  const lines = (await text(child.stdout)).trimEnd().split('\n');
  expect(await closed).toEqual([0, null]);
  const last: unknown = JSON.parse(lines.at(-1) ?? '');
  expect(last).toMatchObject({ is_error: false, result: expect.stringContaining(start) });
});

test('the temporary folder is removed at the end', { tags: 'full' }, async () => {
  const recording = new KeptRecording();
  const running = runPhase('build', { recording });
  await vi.waitFor(async () => expect(await readdir(temp)).toHaveLength(1), DEADLINE);
  expect((await running).outcome.success).toBe(true);
  expect(await readdir(temp)).toEqual([]);
});

test('the temporary folder is removed when the run is cancelled while its test runs', {
  tags: 'full',
}, async () => {
  const abort = new AbortController();
  const recording = new KeptRecording();
  const running = runPhase('build', { recording, signal: abort.signal });
  await vi.waitFor(
    () => expect(recording.outputs.some(({ toolName }) => toolName === 'Bash')).toBe(true),
    DEADLINE,
  );
  abort.abort();
  expect((await running).outcome).toMatchObject({ errorType: 'cancelled', signal: 'SIGTERM' });
  expect(await readdir(temp)).toEqual([]);
});

test('a signal to the sample alone ends it as a shell reports it, and the temporary folder is removed', async () => {
  const child = startSample('build');
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    stdout += piece;
  });
  await vi.waitFor(() => expect(stdout).toContain('"name":"Bash"'), DEADLINE);
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([143, null]);
  expect(await readdir(temp)).toEqual([]);
});

test('the temporary folder is removed when the reader closes the pipe', async () => {
  const child = startSample('build');
  const closed = once(child, 'close');
  const stderr = text(child.stderr);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  expect(await closed).toEqual([1, null]);
  expect(await stderr).toBe('');
  expect(await readdir(temp)).toEqual([]);
});

test('without a writable temporary directory the run fails and names the directory', async () => {
  const env = { PATH: process.env.PATH ?? '', TMPDIR: shop.path('missing') };
  const { outcome } = await runPhase('build', { env });
  expect(outcome).toMatchObject({ success: false, exitCode: 1, errorType: 'agent_error' });
  expect(outcome.error).toContain('cannot work in its temporary folder');
  expect(outcome.error).toContain(shop.path('missing'));
});

test('the environment of the caller does not change the test run', { tags: 'full' }, async () => {
  // A service that was started by `node --test`, with options of its own.
  const env = {
    TMPDIR: temp,
    NODE_TEST_CONTEXT: 'child-v8',
    FORCE_COLOR: '1',
    NODE_OPTIONS: '--no-warnings',
  };
  const { outcome, recording } = await runPhase('build', { env });
  const results = recording.outputs.filter(({ type }) => type === 'tool_result');
  expect(results[3]?.isError).toBe(true);
  expect(results[5]?.content).toMatch(/^✔ punctuation/);
  expect(outcome.success).toBe(true);
});
