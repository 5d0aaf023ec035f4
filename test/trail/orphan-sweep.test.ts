import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { claimRun, readMark } from '../../src/agent/run-mark.ts';
import { identityOf, ownIdentity } from '../../src/system/process-identity.ts';
import { watchOrphanRuns } from '../../src/trail/orphan-sweep.ts';
import { DEADLINE } from '../support/until.ts';

let folder: string;
let lines: string[];
let problems: (string | undefined)[];
const closers: (() => void)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tasktrail-watch-'));
  lines = [];
  problems = [];
});

afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await rm(folder, { recursive: true, force: true });
});

function watch(
  graceMs: number,
  at = folder,
  isBehind: () => Promise<boolean> = async () => false,
): { close(): void } {
  const watching = watchOrphanRuns({
    isBehind,
    folder: at,
    graceMs,
    everyMs: 20,
    onProblem: (reason) => problems.push(reason),
    log: (line) => lines.push(line),
  });
  closers.push(() => watching.close());
  return watching;
}

async function leave(run: string, supervisor: object, child: number | null = null): Promise<string> {
  const directory = join(folder, 'task-1', run);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'stdout'), 'private');
  const mark = { supervisor, child: child === null ? null : identityOf(child), adoptions: 0 };
  await writeFile(join(directory, 'process.json'), JSON.stringify(mark));
  return directory;
}

function dead(): object {
  return { ...ownIdentity(), start: ownIdentity().start.replace(/-\d+-/, '-1-') };
}

async function sweeps(count: number): Promise<void> {
  const before = problems.length;
  await vi.waitFor(() => expect(problems.length).toBeGreaterThanOrEqual(before + count), DEADLINE);
}

async function startAgent(): Promise<{ agent: ChildProcess; pid: number }> {
  const agent = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  await new Promise((resolve) => agent.once('spawn', resolve));
  closers.push(() => agent.kill('SIGKILL'));
  return { agent, pid: agent.pid ?? 0 };
}

test('an orphaned run is ended with its agent after the grace period, and a line is logged', {
  tags: 'full',
}, async () => {
  const { agent, pid } = await startAgent();
  const directory = await leave('run-1', dead(), pid);
  watch(250);
  await vi.waitFor(() => expect(existsSync(join(folder, 'task-1'))).toBe(false), DEADLINE);
  await vi.waitFor(() => expect(agent.signalCode).toBe('SIGKILL'), DEADLINE);
  await vi.waitFor(() => expect(lines).toHaveLength(1), DEADLINE);
  expect(lines[0]).toBe(`ended the orphaned agent of ${directory} and removed its files`);
  expect(problems.filter((reason) => reason !== undefined)).toEqual([]);
});

test('a run with an outcome is removed at once when its task is over, and another one waits', async () => {
  const over = await leave('run-1', dead());
  await writeFile(join(over, 'outcome.json'), JSON.stringify({ success: true }));
  const unread = await leave('run-2', dead());
  let isOver = false;
  const watching = watchOrphanRuns({
    folder,
    everyMs: 20,
    isTaskOver: async (taskId) => isOver && taskId === 'task-1',
    onProblem: (reason) => problems.push(reason),
    log: (line) => lines.push(line),
  });
  closers.push(() => watching.close());
  await sweeps(2);
  expect(existsSync(over)).toBe(true);
  isOver = true;
  await vi.waitFor(() => expect(existsSync(over)).toBe(false), DEADLINE);
  await sweeps(2);
  expect([existsSync(unread), lines]).toEqual([true, []]);
});

test('a run with an outcome is removed without a log line', async () => {
  const directory = await leave('run-1', dead());
  await writeFile(join(directory, 'outcome.json'), JSON.stringify({ success: true }));
  watch(0);
  await vi.waitFor(() => expect(existsSync(join(folder, 'task-1'))).toBe(false), DEADLINE);
  await sweeps(2);
  expect(lines).toEqual([]);
});

test('no run is ended within the grace period, or after a close', async () => {
  const { agent, pid } = await startAgent();
  const directory = await leave('run-1', dead(), pid);
  const watching = watch(3_600_000);
  await sweeps(5);
  expect(existsSync(directory)).toBe(true);
  watching.close();
  expect(agent.signalCode).toBeNull();
  expect(lines).toEqual([]);
});

test('a run with a living supervisor stays, beside an orphaned one that is removed', async () => {
  const { agent, pid } = await startAgent();
  const living = await leave('living', ownIdentity(), pid);
  const left = await leave('left', dead());
  watch(0);
  await vi.waitFor(() => expect(existsSync(left)).toBe(false), DEADLINE);
  await sweeps(5);
  expect(existsSync(living)).toBe(true);
  expect(agent.signalCode).toBeNull();
});

test('while records wait, the time of a run does not begin', async () => {
  let isBehind = true;
  const directory = await leave('run-1', dead());
  watch(60, folder, async () => isBehind);
  await sweeps(10);
  expect(existsSync(directory)).toBe(true);
  isBehind = false;
  await vi.waitFor(() => expect(existsSync(directory)).toBe(false), DEADLINE);
});

test('a run that is claimed within its grace period is not ended', async () => {
  const { agent, pid } = await startAgent();
  const directory = await leave('run-1', dead(), pid);
  watch(60_000);
  await sweeps(2);
  const mark = readMark(directory);
  if (mark === undefined) throw new Error('no mark');
  expect(claimRun(directory, mark)).toBe(true);
  await sweeps(3);
  expect(existsSync(directory)).toBe(true);
  expect(agent.signalCode).toBeNull();
});

test('two sweeps at once end each run and report no problem', async () => {
  const directories = await Promise.all(['a', 'b', 'c', 'd'].map((run) => leave(run, dead())));
  watch(0);
  watch(0);
  await vi.waitFor(() => expect(existsSync(join(folder, 'task-1'))).toBe(false), DEADLINE);
  await sweeps(6);
  // A sweep that has read a mark just before the other one removed it may log the same end.
  expect(new Set(lines).size).toBe(directories.length);
  expect(problems.filter((reason) => reason !== undefined)).toEqual([]);
});

test('a missing folder is no problem, and an unreadable one is a problem until it can be read', async () => {
  watch(0, join(folder, 'not', 'there'));
  await sweeps(3);
  expect(problems.every((reason) => reason === undefined)).toBe(true);
  const file = join(folder, 'file');
  await writeFile(file, '');
  watch(0, file);
  await vi.waitFor(() => expect(problems.some((reason) => reason?.includes('ENOTDIR'))).toBe(true), DEADLINE);
  await rm(file);
  await vi.waitFor(() => expect(problems.slice(-4)).toEqual(Array(4).fill(undefined)), DEADLINE);
});
