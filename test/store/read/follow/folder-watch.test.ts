import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { FolderWatch } from '../../../../src/store/read/follow/folder-watch.ts';
import { tempDir } from '../../../support/log-dir.ts';
import { until } from '../../../support/until.ts';

function watchOf(folder: string, paths?: readonly string[]): FolderWatch {
  const watch = new FolderWatch(folder, paths);
  onTestFinished(() => watch.close());
  return watch;
}

test('a change in the folder wakes all who wait, once', async () => {
  const dir = await tempDir();
  const path = join(dir, 'a');
  const watch = watchOf(dir, [path]);
  // The first look counts as a change.
  await until(() => watch.version > 0, 'the first look');
  const seen = watch.version;
  const { signal } = new AbortController();
  const waiting = [1, 2, 3].map(() => watch.changed(seen, signal));
  writeFileSync(path, 'x');
  await Promise.all(waiting);
  expect(watch.version).toBeGreaterThan(seen);
  await watch.changed(seen, signal);
});

test('a folder that comes later, and one that is removed and comes again, is watched', async () => {
  const dir = join(await tempDir(), 'later');
  const path = join(dir, 'a');
  const watch = watchOf(dir, [path]);
  for (let round = 0; round < 2; round += 1) {
    mkdirSync(dir);
    writeFileSync(path, 'x');
    await until(() => watch.version > 0, 'the folder');
    const seen = watch.version;
    const change = watch.changed(seen, new AbortController().signal);
    appendFileSync(path, 'y');
    await change;
    rmSync(dir, { recursive: true });
  }
});

test('an abort and a close end the waiting', async () => {
  const dir = await tempDir();
  const watch = watchOf(dir, []);
  await until(() => watch.version > 0, 'the first look');
  const ended = new AbortController();
  const aborted = watch.changed(watch.version, ended.signal);
  ended.abort();
  await aborted;
  const closed = watch.changed(watch.version, new AbortController().signal);
  watch.close();
  await closed;
  await watch.changed(watch.version, new AbortController().signal);
});
