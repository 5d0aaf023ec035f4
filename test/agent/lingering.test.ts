import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { fingerprintOf } from '../../src/agent/resume-run.ts';
import { adoptAgentProcess } from '../../src/agent/run-agent.ts';
import { type RunFacts, RunFolder } from '../../src/agent/run-folder.ts';
import { RUN_ID_VARIABLE } from '../../src/agent/run-processes.ts';
import type { AgentOutcome } from '../../src/model/agent-output.ts';
import { identityOf } from '../../src/system/process-identity.ts';
import { DEADLINE } from '../support/until.ts';
import { KeptRecording, Workshop } from './agent-run.ts';

let shop: Workshop;

beforeEach(async () => {
  shop = await Workshop.open();
});

afterEach(() => shop.close());

const INIT = '{"type":"system","subtype":"init","session_id":"s","model":"m"}';
const DONE = '{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s"}';
const AGAIN = '{"type":"result","subtype":"success","is_error":false,"result":"more","session_id":"s"}';
const FAILED = '{"type":"result","subtype":"success","is_error":true,"result":"no quota","session_id":"s"}';
const LINGERED = { success: true, error: null, lingered: true };

/** Prints the lines, then keeps running. */
function lingering(...lines: readonly string[]): string[] {
  return ['sh', '-c', 'printf "%s\\n" "$@"; exec sleep 60', 'sh', ...lines];
}

/** Resolves when the recording has the line. */
async function untilSaid(recording: KeptRecording, content: string): Promise<void> {
  await vi.waitFor(
    () => expect(recording.outputs.map((output) => output.content)).toContain(content),
    DEADLINE,
  );
}

test('an agent that does not exit after its last word is ended, and the run is a success that says so', async () => {
  const { outcome, recording } = await shop.run(lingering(INIT, DONE), { lingerMs: 30 });
  expect(outcome).toMatchObject({ ...LINGERED, result: 'done', signal: 'SIGTERM' });
  expect(outcome.errorType).toBeUndefined();
  expect(recording.outputs.at(-1)).toMatchObject({ type: 'system', more: { lingered: true } });
  expect(recording.ends).toEqual([outcome]);
});

test('what it has started is ended with it, also what ignores SIGTERM', async () => {
  const file = shop.path('pid');
  const script = `sh -c 'trap "" TERM; echo $$ > ${file}; while :; do sleep 0.05; done' & printf "%s\\n" "$@"; wait`;
  const command = ['sh', '-c', script, 'sh', INIT, DONE];
  const { outcome } = await shop.run(command, { lingerMs: 300, graceMs: 100 });
  expect(outcome).toMatchObject(LINGERED);
  expect(existsSync(file)).toBe(true);
});

test('a failure as the last word stays a failure, with its own reason', async () => {
  const { outcome } = await shop.run(lingering(INIT, FAILED), { lingerMs: 30 });
  expect(outcome).toMatchObject({
    success: false,
    error: 'no quota',
    errorType: 'agent_error',
    lingered: true,
  });
});

test('an agent that exits in time has not lingered', async () => {
  const command = ['sh', '-c', 'printf "%s\\n" "$@"', 'sh', INIT, DONE];
  const { outcome, recording } = await shop.run(command, { lingerMs: 1 });
  expect(outcome).toMatchObject({ success: true, result: 'done' });
  expect(outcome.lingered === true).toBe(outcome.signal !== null);
  expect(recording.outputs[1]).toMatchObject({ type: 'result' });
});

test.each<[string, string[]]>([
  ['a program without a last word', lingering('text')],
  ['an agent that has begun another turn', lingering(INIT, DONE, INIT)],
])('%s may be silent for any time', async (_what, command) => {
  const recording = new KeptRecording();
  const { outcome } = await shop.run(command, { recording, lingerMs: 1, timeoutMs: 600 });
  expect(outcome).toMatchObject({ success: false, errorType: 'timeout' });
});

test('another message starts the time again', { tags: 'full' }, async () => {
  const go = shop.path('go');
  const wait = `while [ ! -e ${go} ]; do sleep 0.01; done`;
  const command = [
    'sh',
    '-c',
    `printf "%s\\n" "$1" "$2"; ${wait}; echo "$3"; exec sleep 60`,
    'sh',
    INIT,
    DONE,
    AGAIN,
  ];
  const recording = new KeptRecording();
  const running = shop.run(command, { recording, lingerMs: 6_000 });
  await untilSaid(recording, 'done');
  writeFileSync(go, '');
  const { outcome } = await running;
  expect(outcome).toMatchObject({ ...LINGERED, result: 'more' });
});

test('a plain line, as of a server that the agent has started, does not', async () => {
  const noise = [
    'sh',
    '-c',
    'printf "%s\\n" "$@"; while :; do echo noise; sleep 0.01; done',
    'sh',
    INIT,
    DONE,
  ];
  expect((await shop.run(noise, { lingerMs: 200 })).outcome).toMatchObject({ ...LINGERED, result: 'done' });
});

describe('a limit while the agent only lingers', () => {
  test('of time ends it as the success that it was', { tags: 'full' }, async () => {
    const { outcome } = await shop.run(lingering(INIT, DONE), { timeoutMs: 4_000 });
    expect(outcome).toMatchObject(LINGERED);
  });

  async function aborted(reason?: unknown): Promise<AgentOutcome> {
    const abort = new AbortController();
    const recording = new KeptRecording();
    const running = shop.run(lingering(INIT, DONE), { recording, signal: abort.signal });
    await untilSaid(recording, 'done');
    abort.abort(reason);
    return (await running).outcome;
  }

  test('by a cancel is a cancel', async () => {
    const outcome = await aborted();
    expect(outcome).toMatchObject({ success: false, errorType: 'cancelled' });
    expect(outcome.lingered).toBeUndefined();
  });

  test('by a shutdown ends it as the success that it was, so that it does not run again', async () => {
    expect(await aborted('closing')).toMatchObject(LINGERED);
  });
});

describe('after a kill of the supervisor', () => {
  async function leave(more: Partial<RunFacts>): Promise<{ folder: RunFolder; facts: RunFacts }> {
    const folder = await RunFolder.create(shop.runs, 'run');
    const command = { key: 'run', fingerprint: fingerprintOf(['x'], 'auto'), dialect: 'auto' };
    const facts: RunFacts = {
      ...command,
      runId: randomUUID(),
      origin: null,
      startedAtMs: 0,
      deadlineMs: null,
      oomKills: null,
      ...more,
    };
    folder.writeFacts(facts);
    const ends = await folder.openChildEnds(undefined);
    const text = `${INIT}\n${DONE}\n`;
    writeSync(ends.stdout, text);
    ends.close();
    const log = folder.readLog();
    log.append('stdout', { endBytes: text.length, timeMs: Date.now() - 3_600_000 });
    log.close();
    return { folder, facts };
  }

  function adopt(left: { folder: RunFolder; facts: RunFacts }, pid?: number): Promise<AgentOutcome> {
    const leader = pid === undefined ? undefined : (identityOf(pid) ?? undefined);
    const { facts, folder } = left;
    return adoptAgentProcess(
      { kind: 'pending', folder, facts, leader },
      {
        directory: shop.runs,
        key: 'run',
        env: {},
        recording: new KeptRecording(),
        pollMs: 5,
        lingerMs: 600_000,
      },
    );
  }

  test('the next process counts from the last word, not from its own start', async () => {
    const left = await leave({});
    const env = { PATH: process.env.PATH ?? '', [RUN_ID_VARIABLE]: left.facts.runId };
    const agent = spawn('sleep', ['60'], { detached: true, env, stdio: 'ignore' });
    onTestFinished(() => void agent.kill('SIGKILL'));
    const exited = once(agent, 'exit');
    await once(agent, 'spawn');
    expect(await adopt(left, agent.pid)).toMatchObject({ ...LINGERED, result: 'done' });
    expect(await exited).toEqual([null, 'SIGTERM']);
  });

  test('a run that the killed process had ended for this is the same success', async () => {
    const left = await leave({ lingered: true });
    writeFileSync(left.folder.exitFile, '143\n');
    expect(await adopt(left)).toMatchObject({ ...LINGERED, result: 'done' });
    const other = await leave({});
    writeFileSync(other.folder.exitFile, '143\n');
    expect(await adopt(other)).toMatchObject({ success: false, errorType: 'signal' });
  });
});
