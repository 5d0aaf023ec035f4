import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { lockDirectory } from '../../src/trail/holder.ts';
import { startTasktrail } from '../../src/trail/trail.ts';
import { tempDir } from '../support/log-dir.ts';

function configOf(logDir: string, env: Record<string, string> = {}): Config {
  const own = { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0' };
  return loadConfig({ env: { ...own, ...env }, cwd: '/' });
}

/** A port that another program uses until the end of the test. */
async function takenPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

function locksIn(logDir: string): string[] {
  return readdirSync(logDir).filter((name) => name.startsWith('_lock'));
}

test('a directory that another holder has is an error with the setting and the holder', async () => {
  const config = configOf(await tempDir());
  const lock = await lockDirectory(config, () => {});
  onTestFinished(() => lock.release());
  await expect(lockDirectory(config, () => {})).rejects.toMatchObject({
    code: 'ERR_DIRECTORY_HELD',
    message: expect.stringMatching(new RegExp(`^TASK_LOGS_DIR: ${config.logDir}: .*process ${process.pid} `)),
  });
});

test('a path with a file in it is an error with the reason', async () => {
  const file = join(await tempDir(), 'file');
  writeFileSync(file, '');
  await expect(lockDirectory(configOf(join(file, 'logs')), () => {})).rejects.toMatchObject({
    code: 'ERR_DIRECTORY_UNUSABLE',
    message: expect.stringContaining('A part of this path is a file, not a directory'),
  });
});

test('the receiver falls back from a default port in use to a free one', async () => {
  const port = await takenPort();
  const config = { ...configOf(await tempDir()), otlpPort: port, otlpPortIsExplicit: false };
  const trail = await startTasktrail({ config, log: () => {} });
  onTestFinished(() => trail.shutdown());
  expect(trail.otlpUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(trail.otlpUrl).not.toContain(`:${port}`);
});

test('a configured port in use is an error with the setting, and the lock is released', async () => {
  const port = await takenPort();
  const logDir = await tempDir();
  const config = configOf(logDir, { TASK_LOGS_OTLP_PORT: String(port) });
  await expect(startTasktrail({ config, log: () => {} })).rejects.toMatchObject({
    code: 'ERR_PORT_IN_USE',
    message: expect.stringMatching(/^TASK_LOGS_OTLP_PORT: /),
  });
  expect(locksIn(logDir)).toEqual([]);
});

test('a tombstone file that cannot be read is an error, and the lock is released', async () => {
  const logDir = await tempDir();
  mkdirSync(join(logDir, '_pruned.jsonl'));
  await expect(startTasktrail({ config: configOf(logDir), log: () => {} })).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
  });
  expect(locksIn(logDir)).toEqual([]);
});
