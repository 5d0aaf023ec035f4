import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { JobStore } from '../../src/queue/job-store.ts';
import { keepTurn, type TurnOptions, takeTurn } from '../../src/service/job-turn.ts';
import { directoryId } from '../../src/store/directory-id.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { setLeaseGuard } from '../../src/system/lease-guard.ts';
import { identityOf, ownIdentity, type ProcessIdentity } from '../../src/system/process-identity.ts';
import { jobOf } from '../support/queue-contract.ts';

const QUEUE = { name: 'agent', system: 'bullmq', home: undefined };
const BEGINNING = { attempt: 2, stops: 1, workflowId: 'workflow-1' };
const NOT_WAITING = AbortSignal.abort();

interface Opened {
  readonly jobs: JobStore;
  readonly options: TurnOptions;
  readonly home: string;
}

async function open(): Promise<Opened> {
  const logDir = await mkdtemp(join(tmpdir(), 'tasktrail-turn-'));
  onTestFinished(() => rm(logDir, { recursive: true, force: true }));
  const jobs = await JobStore.open(logDir);
  return { jobs, options: { config: { logDir, key: undefined }, jobs }, home: await directoryId(logDir) };
}

/** Another process that lives until the test ends, or until `end`. */
function otherProcess(): { identity: ProcessIdentity; end(): Promise<void> } {
  const child = spawn('sleep', ['60']);
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  onTestFinished(end);
  return { identity: identityOf(child.pid ?? 0), end };
}

test('a job that Redis hands out as if it were new goes on from what was kept', async () => {
  const { jobs, options, home } = await open();
  const handed = { ...jobOf('task-1'), home };
  await jobs.add(handed, QUEUE);
  expect(await takeTurn(handed, options, NOT_WAITING)).toMatchObject(handed);
  expect(await keepTurn(handed, BEGINNING, options)).toBe(true);
  // As after a kill of this process and a Redis with older data.
  expect(await takeTurn(handed, options, NOT_WAITING)).toMatchObject({
    attempt: 3,
    stops: 1,
    workflowId: 'workflow-1',
  });
});

test('a job of which another living process has begun the attempt is not begun here', async () => {
  const { jobs, options, home } = await open();
  const handed = { ...jobOf('task-1'), home };
  await jobs.add(handed, QUEUE);
  const other = otherProcess();
  await jobs.update('task-1', { isStarted: true, attempt: 1, worker: other.identity });
  expect(await takeTurn(handed, options, NOT_WAITING)).toBe('elsewhere');
  expect(await keepTurn(handed, BEGINNING, options)).toBe(false);
  expect(await jobs.read('task-1')).toMatchObject({ job: { attempt: 1 }, worker: other.identity });
  await other.end();
  expect(await takeTurn(handed, options, NOT_WAITING)).toMatchObject({ attempt: 2 });
  expect(await keepTurn(handed, BEGINNING, options)).toBe(true);
  expect((await jobs.read('task-1'))?.worker).toEqual(ownIdentity());
});

test('a job that this directory no longer keeps is over, one of another directory is not', async () => {
  const { jobs, options, home } = await open();
  const handed = { ...jobOf('task-1'), home };
  await jobs.add(handed, QUEUE);
  await jobs.remove('task-1');
  expect(await takeTurn(handed, options, NOT_WAITING)).toBe('over');
  expect(await keepTurn(handed, BEGINNING, options)).toBe(false);
  const elsewhere = { ...handed, home: 'another-directory' };
  expect(await takeTurn(elsewhere, options, NOT_WAITING)).toEqual(elsewhere);
  expect(await keepTurn(elsewhere, BEGINNING, options)).toBe(true);
  // Of an earlier version, which did not say where it is kept.
  expect(await takeTurn(jobOf('task-1'), options, NOT_WAITING)).toEqual(jobOf('task-1'));
});

/** This process is a service with that lease for the rest of the test. */
function withLease(lease: number, holds = true): void {
  setLeaseGuard({ lease, holds: () => holds });
  onTestFinished(() => setLeaseGuard(undefined));
}

test('a job of a service that is stopped and was replaced is begun by its successor', async () => {
  const { jobs, options, home } = await open();
  const handed = { ...jobOf('task-1'), home };
  await jobs.add(handed, QUEUE);
  const stopped = { ...otherProcess().identity, lease: 4 };
  await jobs.update('task-1', { isStarted: true, attempt: 1, worker: stopped });
  withLease(4);
  expect(await takeTurn(handed, options, NOT_WAITING)).toBe('elsewhere');
  withLease(5);
  expect(await takeTurn(handed, options, NOT_WAITING)).toMatchObject({ attempt: 2 });
  expect(await keepTurn(handed, BEGINNING, options)).toBe(true);
  expect(await jobs.read('task-1')).toMatchObject({ lease: 5, worker: { ...ownIdentity(), lease: 5 } });
});

test('a worker learns from the lock that the service of a job was replaced', async () => {
  const { jobs, options, home } = await open();
  const handed = { ...jobOf('task-1'), home };
  await jobs.add(handed, QUEUE);
  const stopped = { ...otherProcess().identity, lease: 1 };
  await jobs.update('task-1', { isStarted: true, attempt: 1, worker: stopped });
  const { logDir } = options.config;
  await (await DirectoryLock.acquire(logDir, () => {})).release();
  expect(await takeTurn(handed, options, NOT_WAITING)).toBe('elsewhere');
  const lock = await DirectoryLock.acquire(logDir, () => {});
  onTestFinished(() => lock.release());
  expect(await takeTurn(handed, options, NOT_WAITING)).toMatchObject({ attempt: 2 });
});

test('a service that has lost its lease begins no job', async () => {
  const { jobs, options, home } = await open();
  const handed = { ...jobOf('task-1'), home };
  await jobs.add(handed, QUEUE);
  withLease(4, false);
  expect(await takeTurn(handed, options, NOT_WAITING)).toBe('elsewhere');
});
