import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  endRunProcesses,
  findRunProcesses,
  RUN_ID_VARIABLE,
  runPath,
} from '../../src/agent/run-processes.ts';

let run: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  run = crypto.randomUUID();
});

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A process of a run; resolves when it shows its environment. */
async function start(value: string): Promise<ChildProcess> {
  const env = { PATH: process.env.PATH ?? '', [RUN_ID_VARIABLE]: value };
  const child = spawn('sleep', ['60'], { env, stdio: 'ignore' });
  started.push(child);
  const id = value.split('/').at(-1) ?? '';
  await expect.poll(() => findRunProcesses(id)).toContain(child.pid);
  return child;
}

const signalOf = (child: ChildProcess) => (): NodeJS.Signals | null => child.signalCode;

test('the path of a run starts with the outer run', () => {
  expect(runPath('b', undefined)).toBe('b');
  expect(runPath('b', '')).toBe('b');
  expect(runPath('b', 'a')).toBe('a/b');
});

describe.skipIf(!existsSync('/proc/self/environ'))('the processes of a run', () => {
  test('include those of an inner run, but not those of the outer one', async () => {
    const inner = crypto.randomUUID();
    const outerTool = await start(run);
    const innerTool = await start(runPath(inner, run));
    expect(await endRunProcesses(inner)).toBe(1);
    await expect.poll(signalOf(innerTool)).toBe('SIGTERM');
    expect(outerTool.signalCode).toBeNull();
    const again = await start(runPath(inner, run));
    expect(await endRunProcesses(run)).toBe(2);
    await expect.poll(signalOf(outerTool)).toBe('SIGTERM');
    await expect.poll(signalOf(again)).toBe('SIGTERM');
  });

  test('do not include those of a run whose id only contains this one', async () => {
    const other = await start(`${run}x`);
    expect(await endRunProcesses(run)).toBe(0);
    expect(other.signalCode).toBeNull();
  });
});
