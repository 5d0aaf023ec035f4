import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { formatSegmentName } from '../../src/journal/segment-name.ts';
import { recordTask } from '../../src/record/task/attempt.ts';
import { identityOf } from '../../src/system/process-identity.ts';
import { lockDirectory } from '../../src/trail/holder.ts';
import { activeTrail, type StartOptions, startTasktrail, type Trail } from '../../src/trail/trail.ts';
import { tempDir } from '../support/log-dir.ts';
import { readDocument } from '../support/service-process.ts';

function configOf(logDir: string, env: Record<string, string> = {}): Config {
  return loadConfig({ env: { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0', ...env }, cwd: '/' });
}

async function start(config: Config, more: Pick<StartOptions, 'hold'> = {}): Promise<Trail> {
  const trail = await startTasktrail({ config, log: () => {}, ...more });
  onTestFinished(() => trail.shutdown());
  return trail;
}

test('a task is stored when the shutdown resolves, which may be called twice', async () => {
  const logDir = await tempDir();
  const trail = await start(configOf(logDir));
  expect(activeTrail()).toBe(trail);
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {});
  await Promise.all([trail.shutdown(), trail.shutdown()]);
  expect(activeTrail()).toBeUndefined();
  expect(await readDocument(logDir, 'task-1', '04-final-result.json')).toMatchObject({ success: true });
  expect(trail.books.reasons.size).toBe(0);
});

test('a second start in one process is a TypeError, and a start after the shutdown is not', async () => {
  const config = configOf(await tempDir());
  const trail = await start(config);
  await expect(startTasktrail({ config })).rejects.toThrow(TypeError);
  await trail.shutdown();
  expect((await start(config)).otlpUrl).toBeDefined();
});

test('a directory of another holder is sent to, or is an error when it must be held', async () => {
  const config = configOf(await tempDir());
  const lock = await lockDirectory(config, () => {});
  onTestFinished(() => lock.release());
  await expect(startTasktrail({ config, hold: 'must' })).rejects.toMatchObject({
    code: 'ERR_DIRECTORY_HELD',
  });
  expect((await start(config)).otlpUrl).toBeUndefined();
});

test.each<[string, Record<string, string>, StartOptions['hold']]>([
  ['hold is never', {}, 'never'],
  ['the store is off', { TASK_LOGS_STORE: 'false' }, 'must'],
])(
  'when %s the process does not hold the directory, and its records wait in the journal',
  { tags: 'full' },
  async (_why, env, hold) => {
    const logDir = await tempDir();
    const trail = await start(configOf(logDir, env), hold === undefined ? {} : { hold });
    expect(trail.otlpUrl).toBeUndefined();
    await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {});
    await trail.shutdown();
    expect(existsSync(join(logDir, 'task-1'))).toBe(false);
    expect(existsSync(join(logDir, '_lock.json'))).toBe(false);
  },
);

test('with recording off nothing is opened, and the directory is still readable', async () => {
  const logDir = join(await tempDir(), 'logs');
  const trail = await start(configOf(logDir, { TASK_LOGS_ENABLED: 'false' }));
  await recordTask({ source: 'test', message: 'm' }, async () => {});
  expect(existsSync(logDir)).toBe(false);
  expect((await trail.reader.listTasks({ limit: 10 })).items).toEqual([]);
});

test('the recovery waits for records that another living process has claimed before', async () => {
  const logDir = await tempDir();
  const owner = identityOf(process.ppid);
  const name = formatSegmentName({ id: '01JY0000000000000000000000', owner, state: 'claimed' });
  const path = join(logDir, '_journal', name);
  mkdirSync(join(logDir, '_journal'), { mode: 0o700 });
  writeFileSync(path, 'H{"version":1,"destinations":["holder"]}\n');
  const trail = await start(configOf(logDir));
  let isRecovered = false;
  const recovered = trail.recovered.then(() => {
    isRecovered = true;
  });
  // By then everything else is recovered: the record was stored by the same store.
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {});
  await expect.poll(() => readDocument(logDir, 'task-1', '04-final-result.json')).toBeDefined();
  expect(isRecovered).toBe(false);
  rmSync(path);
  await recovered;
});
