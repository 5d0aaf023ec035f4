import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findSetAside, JobStore } from '../../src/queue/job-store.ts';
import { isJobKept } from '../../src/store/kept-job.ts';
import { setLeaseGuard } from '../../src/system/lease-guard.ts';
import { filesIn, tempDir } from '../support/log-dir.ts';
import { jobOf } from '../support/queue-contract.ts';

const QUEUE = { name: 'agent', system: 'in_process', home: 'here' };

async function open(): Promise<{ logDir: string; folder: string; jobs: JobStore }> {
  const logDir = await tempDir();
  return { logDir, folder: join(logDir, '_queue'), jobs: await JobStore.open(logDir) };
}

test('a job is kept whole until it is removed, in a file and a folder of this user alone', async () => {
  const { logDir, folder, jobs } = await open();
  const job = {
    ...jobOf('task-1'),
    message: 'token ghp_abc \u{1f600}',
    agent: 'claude',
    stops: 2,
    workflowId: 'w-1',
  };
  await jobs.add(job, QUEUE);
  const again = await JobStore.open(logDir);
  expect(await again.taskIds()).toEqual(['task-1']);
  expect(await again.read('task-1')).toMatchObject({ job, isStarted: false, queue: QUEUE });
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect((await stat(join(folder, 'task-1.json'))).mode & 0o777).toBe(0o600);
  expect(await isJobKept(logDir, 'task-1')).toBe(true);
  await again.remove('task-1');
  expect([await readdir(folder), await again.read('task-1'), await isJobKept(logDir, 'task-1')]).toEqual([
    [],
    undefined,
    false,
  ]);
});

test('a change of an attempt is kept with the rest of the job', async () => {
  const { logDir, jobs } = await open();
  await jobs.add(jobOf('task-1'), QUEUE);
  await Promise.all([
    jobs.update('task-1', { isStarted: true, attempt: 2, stops: 1 }),
    jobs.update('task-1', { workflowId: 'workflow-1' }),
  ]);
  expect(await (await JobStore.open(logDir)).read('task-1')).toMatchObject({
    job: { ...jobOf('task-1'), attempt: 2, stops: 1, workflowId: 'workflow-1' },
    isStarted: true,
  });
});

test('a removed job does not come back with a late change, and may be accepted again', async () => {
  const { jobs } = await open();
  await jobs.add(jobOf('task-1'), QUEUE);
  await Promise.all([jobs.remove('task-1'), jobs.update('task-1', { isStarted: true })]);
  expect([await jobs.taskIds(), jobs.hasEnded('task-1')]).toEqual([[], true]);
  await jobs.add(jobOf('task-1'), QUEUE);
  expect([await jobs.taskIds(), jobs.hasEnded('task-1')]).toEqual([['task-1'], false]);
});

test('a worker changes and removes what is kept, and makes nothing', async () => {
  const { logDir, jobs } = await open();
  await jobs.add(jobOf('task-1'), QUEUE);
  const worker = JobStore.attach(logDir);
  await worker.update('task-1', { isStarted: true });
  expect(await jobs.read('task-1')).toMatchObject({ isStarted: true });
  await worker.update('task-2', { isStarted: true });
  await worker.remove('task-1');
  expect(await jobs.taskIds()).toEqual([]);
  const elsewhere = await tempDir();
  await JobStore.attach(elsewhere).update('task-1', { isStarted: true });
  await JobStore.attach(elsewhere).remove('task-1');
  expect(await readdir(elsewhere)).toEqual([]);
});

test('a job that cannot be written is refused, and nothing of it stays', async () => {
  const { folder, jobs } = await open();
  // A folder in the place of the file: the rename fails, for root as well.
  await mkdir(join(folder, 'task-1.json', 'x'), { recursive: true });
  await expect(jobs.add(jobOf('task-1'), QUEUE)).rejects.toMatchObject({
    code: 'ERR_QUEUE_UNAVAILABLE',
    retryable: true,
    message: expect.stringMatching(/_queue: E[A-Z]+$/),
  });
  expect(await readdir(folder)).toEqual(['task-1.json']);
});

test('the folder is made again when the log directory was emptied', async () => {
  const { logDir, folder, jobs } = await open();
  await rm(folder, { recursive: true });
  await jobs.add(jobOf('task-1'), QUEUE);
  expect(await (await JobStore.open(logDir)).taskIds()).toEqual(['task-1']);
  expect(await jobs.readOpening()).toMatchObject({ fromRecords: false });
});

test('links are not followed: neither a folder nor an entry elsewhere holds jobs', async () => {
  const { logDir, folder, jobs } = await open();
  await jobs.add(jobOf('task-1'), QUEUE);
  const other = await tempDir();
  await symlink(join(folder, 'task-1.json'), join(other, 'task-1.json'));
  await symlink(folder, join(other, '_queue'));
  await expect(JobStore.open(other)).rejects.toMatchObject({ code: 'ERR_DIRECTORY_UNUSABLE' });
  // An entry that is a link is set aside, and replaced as such: its target stays.
  const target = join(other, 'target.json');
  await writeFile(target, await readFile(join(folder, 'task-1.json'), 'utf8'));
  await symlink(target, join(folder, 'task-2.json'));
  await expect(jobs.read('task-2')).rejects.toThrow('_queue/task-2.json is not a file');
  await jobs.add(jobOf('task-2'), QUEUE);
  expect((await lstat(join(folder, 'task-2.json'))).isFile()).toBe(true);
  expect(JSON.parse(await readFile(target, 'utf8'))).toMatchObject({ task_id: 'task-1' });
  expect(await findSetAside(logDir)).toEqual([]);
});

test('a folder that became a link while the service runs is neither read nor written, and nothing behind it is removed', async () => {
  const { folder, jobs } = await open();
  await jobs.add(jobOf('task-1'), QUEUE);
  const outside = join(await tempDir(), 'outside');
  await rename(folder, outside);
  await symlink(outside, folder);
  const before = filesIn(outside);
  await expect(jobs.add(jobOf('task-2'), QUEUE)).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
  await expect(jobs.add(jobOf('task-1'), QUEUE)).rejects.toThrow('_queue is a symbolic link');
  await expect(jobs.read('task-1')).rejects.toThrow('is a symbolic link');
  await expect(jobs.taskIds()).rejects.toThrow('is a symbolic link');
  await jobs.update('task-1', { isStarted: true });
  await jobs.remove('task-1');
  expect(jobs.failures).toEqual([
    { name: '_queue/task-1.json', reason: '_queue is a symbolic link, which is not followed' },
  ]);
  expect(filesIn(outside)).toEqual(before);
});

test("a folder that others may write to becomes this user's own", async () => {
  const { logDir, folder } = await open();
  await chmod(folder, 0o777);
  await JobStore.open(logDir);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
});

test('entries that are damaged, of a later version or of another task are named, and the others are read', async () => {
  const { logDir, folder, jobs } = await open();
  await jobs.add(jobOf('task-1'), QUEUE);
  const good = JSON.parse(await readFile(join(folder, 'task-1.json'), 'utf8')) as Record<string, unknown>;
  const bad: Readonly<Record<string, string>> = {
    'task-torn': '{"schema_version":1,"task_id":"task-torn","mess',
    'task-empty': '',
    'task-later': JSON.stringify({ ...good, task_id: 'task-later', schema_version: 2 }),
    'task-other': JSON.stringify(good),
    'task-text': JSON.stringify({ ...good, task_id: 'task-text', message: 7 }),
    'task-count': JSON.stringify({ ...good, task_id: 'task-count', attempt: 1.5 }),
  };
  for (const [id, text] of Object.entries(bad)) await writeFile(join(folder, `${id}.json`), text);
  await writeFile(join(folder, '..json'), '{}');
  const found = await findSetAside(logDir);
  expect(found.map(({ name }) => name).sort()).toEqual(
    Object.keys(bad)
      .map((id) => `_queue/${id}.json`)
      .sort(),
  );
  for (const { name, reason } of found) expect(reason).toContain(`${name} is damaged`);
  expect(await jobs.read('task-1')).toMatchObject({ job: { taskId: 'task-1' } });
});

test('temporary files of dead processes are removed at the next start, young ones are not', async () => {
  const { logDir, folder } = await open();
  for (const name of ['.task-1.json.aa.tmp', '.task-2.json.bb.tmp']) await writeFile(join(folder, name), '{');
  const then = new Date(Date.now() - 120_000);
  await utimes(join(folder, '.task-1.json.aa.tmp'), then, then);
  await JobStore.open(logDir);
  expect(await readdir(folder)).toEqual(['.task-2.json.bb.tmp']);
});

test('a new log directory has the folder before anything is recorded; one with records has not', async () => {
  const fresh = join(await tempDir(), 'logs');
  await JobStore.prepare(fresh);
  expect(await (await JobStore.open(fresh)).readOpening()).toMatchObject({ fromRecords: false });
  for (const name of ['task-1', '_journal']) {
    const used = await tempDir();
    await mkdir(join(used, name));
    await JobStore.prepare(used);
    const jobs = await JobStore.open(used);
    expect(await jobs.readOpening()).toBeUndefined();
    await jobs.markOpened({ fromRecords: true });
    expect(await jobs.readOpening()).toMatchObject({ fromRecords: true });
    expect(await jobs.taskIds()).toEqual([]);
  }
});

/** This process is a service with that lease for the rest of the test. `isTaken`: what its lock says, when it is read. */
function withLease(lease: number, isTaken = false): void {
  setLeaseGuard({ lease, holds: (isFresh) => !(isTaken && isFresh === true) });
  onTestFinished(() => setLeaseGuard(undefined));
}

test('an entry of a successor is neither changed nor removed, as soon as its number is seen', async () => {
  const { jobs, folder } = await open();
  withLease(5);
  await jobs.add(jobOf('task-1'), QUEUE);
  const before = await readFile(join(folder, 'task-1.json'), 'utf8');
  expect(JSON.parse(before)).toMatchObject({ lease: 5 });
  withLease(4, true);
  await jobs.update('task-1', { isStarted: true });
  await jobs.remove('task-1');
  expect(await readFile(join(folder, 'task-1.json'), 'utf8')).toBe(before);
  setLeaseGuard({ lease: 4, holds: () => false });
  await expect(jobs.add(jobOf('task-1'), QUEUE)).rejects.toMatchObject({ code: 'ERR_QUEUE_UNAVAILABLE' });
  expect(await readFile(join(folder, 'task-1.json'), 'utf8')).toBe(before);
});

test('numbers that begin again, after the key of the directory was lost, do not keep an entry from its owner', async () => {
  const { jobs, folder } = await open();
  withLease(5);
  await jobs.add(jobOf('task-1'), QUEUE);
  withLease(1);
  await jobs.update('task-1', { isStarted: true });
  expect(await jobs.read('task-1')).toMatchObject({ isStarted: true, lease: 1 });
  await jobs.remove('task-1');
  expect((await readdir(folder)).filter((name) => name.startsWith('task-'))).toEqual([]);
});
