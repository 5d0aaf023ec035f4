import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { endOrphanRun, findOrphanRuns } from '../../src/agent/orphan-runs.ts';
import { claimRun, isRunInUse, markRun, readMark } from '../../src/agent/run-mark.ts';
import { setLeaseGuard } from '../../src/system/lease-guard.ts';
import { identityOf, ownIdentity } from '../../src/system/process-identity.ts';

let parent: string;
let run: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'tasktrail-mark-'));
  run = join(parent, 'task-1', 'run-1');
  await mkdir(run, { recursive: true });
});

afterEach(() => rm(parent, { recursive: true, force: true }));

async function mark(supervisor: object, child: object | null = null): Promise<void> {
  await writeFile(join(run, 'process.json'), JSON.stringify({ supervisor, child }));
}

/** This process is a service with that lease for the rest of the test. */
function withLease(lease: number): void {
  setLeaseGuard({ lease, holds: () => true });
  onTestFinished(() => setLeaseGuard(undefined));
}

/** Ends and removes all orphaned runs. */
async function sweepRuns(folder: string): Promise<void> {
  for (const left of await findOrphanRuns(folder)) await Promise.all(left[1].map(endOrphanRun));
}

/** An ended process that had the pid of this one. */
function dead(): object {
  return { ...ownIdentity(), start: ownIdentity().start.replace(/-\d+-/, '-1-') };
}

test('a mark names the supervisor and the child, and only its owner can read it', async () => {
  markRun(run, process.pid);
  const path = join(run, 'process.json');
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
    supervisor: ownIdentity(),
    child: ownIdentity(),
    adoptions: 0,
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(run)).toEqual(['process.json']);
});

test('a run with a living supervisor stays, and an orphaned one is removed with its folder', async () => {
  markRun(run);
  expect(await findOrphanRuns(parent)).toEqual(new Map());
  await sweepRuns(parent);
  expect(await readdir(run)).toEqual(['process.json']);
  await mark(dead());
  expect(await findOrphanRuns(parent)).toEqual(new Map([['task-1', [run]]]));
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual([]);
  await sweepRuns(join(parent, 'not there'));
});

test('an orphaned agent is killed, but not an unrelated process with its pid', async () => {
  const child = spawn('sleep', ['60'], { detached: true });
  const ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  const identity = identityOf(child.pid ?? 0);
  await mark(dead(), { ...identity, start: identity.start.replace(/-\d+-/, '-1-') });
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual([]);
  expect(child.signalCode).toBeNull();
  await mkdir(run, { recursive: true });
  await mark(dead(), identity);
  await sweepRuns(parent);
  expect(await ended).toBe('SIGKILL');
});

test('a run of another host is orphaned after a day without a write', async () => {
  await mark({ ...ownIdentity(), host: 'another' });
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual(['task-1']);
  const yesterday = Date.now() / 1000 - 25 * 3600;
  for (const path of [join(run, 'process.json'), run]) await utimes(path, yesterday, yesterday);
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual([]);
});

test('a folder without a mark is orphaned after a minute', async () => {
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual(['task-1']);
  const before = Date.now() / 1000 - 90;
  await utimes(run, before, before);
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual([]);
});

test('one of two claims succeeds, and the next claim is for the next number', async () => {
  await mark(dead());
  const left = readMark(run);
  if (left === undefined) throw new Error('no mark');
  expect([claimRun(run, left), claimRun(run, left)]).toEqual([true, false]);
  expect(readMark(run)).toMatchObject({ supervisor: ownIdentity(), adoptions: 1 });
  expect(claimRun(run, { ...left, adoptions: 1 })).toBe(true);
  expect(claimRun(run, { ...left, adoptions: 1_000 })).toBe(false);
});

test('the run of a living service is free for its successor alone, which has a higher lease', async () => {
  const service = spawn('sleep', ['60']);
  onTestFinished(() => void service.kill('SIGKILL'));
  const supervisor = identityOf(service.pid ?? 0);
  await writeFile(
    join(run, 'process.json'),
    JSON.stringify({ supervisor, child: null, adoptions: 0, lease: 4 }),
  );
  withLease(4);
  expect(await isRunInUse(run, readMark(run))).toBe(true);
  withLease(5);
  const found = readMark(run);
  expect(await isRunInUse(run, found)).toBe(false);
  expect(found !== undefined && claimRun(run, found)).toBe(true);
  expect(readMark(run)).toMatchObject({ adoptions: 1, lease: 5 });
  expect(await isRunInUse(run, readMark(run))).toBe(true);
});

test('the runs of a process stay its own when it holds the directory with a higher lease', async () => {
  withLease(4);
  markRun(run);
  expect(readMark(run)).toMatchObject({ supervisor: ownIdentity(), lease: 4 });
  withLease(5);
  expect(await isRunInUse(run, readMark(run))).toBe(true);
});

test('a service that has lost its lease adopts no run', async () => {
  await mark(dead());
  const left = readMark(run);
  setLeaseGuard({ lease: 4, holds: () => false });
  onTestFinished(() => setLeaseGuard(undefined));
  expect(left !== undefined && claimRun(run, left)).toBe(false);
  expect(await readdir(run)).toEqual(['process.json']);
});
