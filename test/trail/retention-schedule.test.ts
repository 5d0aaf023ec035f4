import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { Tombstones } from '../../src/store/keep/tombstones.ts';
import { scheduleRetention } from '../../src/trail/retention-schedule.ts';
import { openStore, tempDir } from '../support/log-dir.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;

function putTask(logDir: string, id: string, ageDays: number): string {
  const directory = join(logDir, id);
  mkdirSync(directory, { recursive: true });
  const completed_at = new Date(Date.now() - ageDays * DAY_MS).toISOString();
  const metadata = {
    task_id: id,
    status: 'completed',
    completed_at,
    end_received_at: completed_at,
    settled: true,
  };
  writeFileSync(join(directory, 'metadata.json'), `${JSON.stringify(metadata)}\n`);
  return directory;
}

interface Scheduled {
  readonly logged: string[];
  readonly notices: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

async function schedule(
  logDir: string,
  recovered: Promise<void>,
  more: Partial<Config> = {},
): Promise<Scheduled> {
  const { store, books } = openStore(logDir);
  const config = loadConfig({ env: { TASK_LOGS_DIR: logDir, TASK_LOGS_RETENTION_DAYS: '30' }, cwd: logDir });
  const logged: string[] = [];
  const retention = scheduleRetention({
    config: { ...config, ...more },
    store,
    tombstones: await Tombstones.open(logDir),
    books,
    isUploaded: undefined,
    recovered,
    log: (line) => logged.push(line),
  });
  onTestFinished(() => retention.close());
  return { logged, notices: books.notices, close: () => retention.close() };
}

test('an old task is removed after the recovery, and the log has the count', async () => {
  const logDir = await tempDir();
  const [old, recent] = [putTask(logDir, 'task-old', 31), putTask(logDir, 'task-new', 29)];
  let recover = (): void => {};
  const recovered = new Promise<void>((resolve) => {
    recover = resolve;
  });
  const { logged, notices } = await schedule(logDir, recovered);
  expect(existsSync(old)).toBe(true);
  recover();
  await until(() => logged.length > 0, 'the first pass');
  expect(logged).toEqual(['retention removed 1 task']);
  expect([existsSync(old), existsSync(recent)]).toEqual([false, true]);
  expect(notices.get('retention')).toBeUndefined();
});

test('nothing is removed after it is closed, even when the recovery ends later', async () => {
  const logDir = await tempDir();
  const old = putTask(logDir, 'task-old', 31);
  let recover = (): void => {};
  const recovered = new Promise<void>((resolve) => {
    recover = resolve;
  });
  const { close, logged } = await schedule(logDir, recovered);
  await close();
  recover();
  await recovered;
  await close();
  expect(existsSync(old)).toBe(true);
  expect(logged).toEqual([]);
});

test('a directory that cannot be read is a notice, and not an error', async () => {
  const logDir = await tempDir();
  const file = join(logDir, 'file');
  writeFileSync(file, '');
  const { notices } = await schedule(logDir, Promise.resolve(), { logDir: `${file}\0` });
  await until(() => notices.get('retention'), 'the notice');
});
