import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { endOrphanRun, findOrphanRuns } from '../../src/agent/orphan-runs.ts';
import { claimRun, markRun, readMark } from '../../src/agent/run-mark.ts';
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

/** Ends and removes what nobody follows. */
async function sweepRuns(folder: string): Promise<void> {
  for (const left of await findOrphanRuns(folder)) await Promise.all(left[1].map(endOrphanRun));
}

/** A process that was here and is not any more. */
function dead(): object {
  return { ...ownIdentity(), start: ownIdentity().start.replace(/-\d+-/, '-1-') };
}

test('a mark names both processes and is for its owner alone', async () => {
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

test('a run of a living process stays, one of a dead process goes with its folder', async () => {
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

test('the agent of a dead process is ended; whoever has its pid by now is not', async () => {
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

test('a run whose process cannot be seen from here goes when nothing has happened in it for a day', async () => {
  await mark({ ...ownIdentity(), host: 'another' });
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual(['task-1']);
  const yesterday = Date.now() / 1000 - 25 * 3600;
  for (const path of [join(run, 'process.json'), run]) await utimes(path, yesterday, yesterday);
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual([]);
});

test('a folder without a mark is given a minute to get one', async () => {
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual(['task-1']);
  const before = Date.now() / 1000 - 90;
  await utimes(run, before, before);
  await sweepRuns(parent);
  expect(await readdir(parent)).toEqual([]);
});

test('of two processes that want the run of a dead one, one gets it; the next to take it may', async () => {
  await mark(dead());
  const left = readMark(run);
  if (left === undefined) throw new Error('no mark');
  expect([claimRun(run, left), claimRun(run, left)]).toEqual([true, false]);
  expect(readMark(run)).toMatchObject({ supervisor: ownIdentity(), adoptions: 1 });
  expect(claimRun(run, { ...left, adoptions: 1 })).toBe(true);
  expect(claimRun(run, { ...left, adoptions: 1_000 })).toBe(false);
});
