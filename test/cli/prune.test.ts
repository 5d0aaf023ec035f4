import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { prune } from '../../src/cli/prune.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { filesIn } from '../support/log-dir.ts';
import { documentOf, wholeRun, writeWorkflow } from '../support/workflow-files.ts';

const DAY_MS = 86_400_000;

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A log directory with two tasks and two workflows; one of each is older than its retention. */
async function logDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-prune-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const old = new Date(Date.now() - 40 * DAY_MS - 60_000).toISOString();
  const young = new Date(Date.now() - 10 * DAY_MS).toISOString();
  for (const [id, completed_at] of Object.entries({ 'task-old': old, 'task-young': young })) {
    mkdirSync(join(dir, id));
    const metadata = {
      task_id: id,
      status: 'completed',
      completed_at,
      end_received_at: completed_at,
      settled: true,
    };
    writeFileSync(join(dir, id, 'metadata.json'), `${JSON.stringify(metadata)}\n`);
    writeFileSync(join(dir, id, '03-agent-output.jsonl'), `{"content":"${'x'.repeat(3_000)}"}\n`);
  }
  const month = join(dir, '_workflow', '2024', '01');
  const facts = wholeRun('workflow-old').map((fact) => ({
    ...fact,
    timestamp: fact.timestamp.replace('2026', '2024'),
  }));
  writeWorkflow(month, 'workflow-old', { facts, document: documentOf('workflow-old', facts) });
  writeWorkflow(month, 'workflow-running', { facts: wholeRun('workflow-running').slice(0, 3) });
  return dir;
}

async function run(
  dir: string,
  options: Partial<{ dryRun: boolean; json: boolean; configFile: string }> = {},
): Promise<Run> {
  const out = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      out[name] += text;
      return true;
    }),
  );
  try {
    const flags = { TASK_LOGS_DIR: dir };
    const code = await prune(flags, options.configFile, {
      dryRun: options.dryRun === true,
      json: options.json === true,
    });
    return { code, ...out };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

test('a dry run lists what would be removed, and changes nothing', async () => {
  const dir = await logDir();
  const before = filesIn(dir);
  const { code, stdout, stderr } = await run(dir, { dryRun: true });
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^task +task-old +40 days +3\.\d KiB$/m);
  expect(stdout).toMatch(/^workflow +workflow-old +\d{3,} days +\d+\.\d KiB$/m);
  expect(stdout).toMatch(/^2 would be removed, \d+\.\d KiB; 1 task\(s\) would be gzipped \(/m);
  expect(stdout).toContain(`${dir}: tasks after 30 days, workflows after 7)`);
  expect(stdout).not.toMatch(/task-young|workflow-running/);
  expect(filesIn(dir)).toEqual(before);
});

test('while a service holds the directory a dry run works, and a real run names the holder', async () => {
  const dir = await logDir();
  const lock = await DirectoryLock.acquire(dir, () => undefined);
  onTestFinished(() => lock.release());
  expect((await run(dir, { dryRun: true })).stdout).toContain('2 would be removed');
  const refused = run(dir);
  await expect(refused).rejects.toMatchObject({ code: 'ERR_DIRECTORY_HELD' });
  await expect(refused).rejects.toThrow(
    new RegExp(`process ${process.pid} .*\n.*at its start and then hourly`),
  );
  expect(readdirSync(dir)).toContain('task-old');
});

test('a real run removes and gzips, reports both, and releases the directory', async () => {
  const dir = await logDir();
  const { code, stdout } = await run(dir);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^2 removed, \d+\.\d KiB; 1 task\(s\) gzipped \(/m);
  expect(readdirSync(dir).sort()).toEqual([
    '_key',
    '_lease.json',
    '_pruned.jsonl',
    '_workflow',
    'task-young',
  ]);
  expect(readdirSync(join(dir, 'task-young'))).toContain('03-agent-output.jsonl.gz');
  expect(readdirSync(join(dir, '_workflow', '2024', '01'))).toEqual(['workflow-running.facts']);
  expect(await run(dir)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^nothing to remove \(/) });
});

test('--json prints the same report as one object', async () => {
  const dir = await logDir();
  const report = JSON.parse((await run(dir, { dryRun: true, json: true })).stdout);
  expect(report).toMatchObject({
    dry_run: true,
    log_dir: dir,
    compress: ['task-young'],
    kept: [],
    problems: [],
  });
  expect(report.items[1]).toEqual({
    kind: 'task',
    id: 'task-old',
    ended_at: expect.stringMatching(/^\d{4}-.*Z$/),
    age_days: 40,
    bytes: expect.any(Number),
    path: join(dir, 'task-old'),
  });
  expect(report.bytes).toBe(report.items[0].bytes + report.items[1].bytes);
  expect(JSON.parse((await run(dir, { json: true })).stdout)).toMatchObject({
    dry_run: false,
    compress: ['task-young'],
  });
});

test('a document that is not in S3 yet stays, and is named', async () => {
  const dir = await logDir();
  const configFile = join(dir, '_config.json');
  const storage = { enabled: true, bucket: 'logs-of-acme', prefix: 'w/{year}/{m}/' };
  const config = { types: { workflow: { local_retention_days: 3, cloud_storage: storage } } };
  writeFileSync(configFile, JSON.stringify(config));
  const waiting = await run(dir, { configFile });
  expect(waiting).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('workflow workflow-old stays: '),
  });
  expect(waiting.stdout).toContain('workflows after 3)');
  const uploaded = {
    bucket: 'logs-of-acme',
    key: 'w/2024/1/workflow-old.json',
    verified_at: '2024-01-02T00:00:00.000Z',
  };
  const put = (more: object): unknown =>
    writeWorkflow(join(dir, '_workflow', '2024', '01'), 'workflow-old', {
      uploaded: { ...uploaded, ...more },
    });
  put({ revision: 0 });
  expect((await run(dir, { dryRun: true, configFile })).stdout).toContain('nothing to remove');
  put({ revision: 1 });
  expect((await run(dir, { configFile })).stdout).toContain('1 removed');
  expect(existsSync(join(dir, '_workflow', '2024', '01', 'workflow-old.uploaded'))).toBe(false);
});

test('a failed removal is named and is exit code 1; a task that is kept is named and is not', async () => {
  const dir = await logDir();
  mkdirSync(join(dir, 'task-young', '03-agent-output.jsonl.gz'));
  const failed = await run(dir);
  expect(failed).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('2 removed'),
    stderr: expect.stringMatching(
      /^tasktrail: task task-young cannot be gzipped: 03-agent-output\.jsonl\.gz is not a regular file/,
    ),
  });
  writeFileSync(join(dir, 'task-young', 'metadata.json'), 'torn');
  const kept = await run(dir);
  expect(kept).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^tasktrail: task task-young stays: /),
  });
});

test('without a readable list of what was pruned before, nothing is removed', async () => {
  const dir = await logDir();
  mkdirSync(join(dir, '_pruned.jsonl'));
  for (const dryRun of [true, false]) {
    const failing = run(dir, { dryRun });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    await expect(failing).rejects.toThrow('_pruned.jsonl is not a regular file');
  }
  expect(readdirSync(dir)).toContain('task-old');
  // The lock is released.
  expect(readdirSync(dir)).not.toContain('_lock.json');
});

test('a missing directory has nothing to remove, and is not created', async () => {
  const dir = join(await logDir(), 'nowhere');
  for (const dryRun of [true, false]) {
    expect(await run(dir, { dryRun })).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing') });
    expect(existsSync(dir)).toBe(false);
  }
});
