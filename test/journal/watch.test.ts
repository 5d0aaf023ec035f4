import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { watchJournal } from '../../src/journal/watch.ts';

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tasktrail-watch-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a segment that somebody leaves is heard of at once, in a directory that was not there before', async () => {
  const directory = join(tempDir(), '_journal');
  let calls = 0;
  const failures: string[] = [];
  const watcher = watchJournal(
    directory,
    async () => {
      calls += 1;
    },
    (reason) => failures.push(reason),
  );
  onTestFinished(() => watcher.close());
  expect(existsSync(directory)).toBe(true);
  writeFileSync(join(directory, 'a'), 'x');
  await vi.waitFor(() => expect(calls).toBeGreaterThan(0), { timeout: 2_000 });
  const before = calls;
  renameSync(join(directory, 'a'), join(directory, 'b'));
  await vi.waitFor(() => expect(calls).toBeGreaterThan(before), { timeout: 2_000 });
  expect(failures).toEqual([]);
});

test('nothing is heard after the close, and a directory that cannot be watched is said', async () => {
  const directory = tempDir();
  const failures: string[] = [];
  const heard = vi.fn(async () => {});
  watchJournal(directory, heard, () => {}).close();
  writeFileSync(join(directory, 'a'), 'x');
  watchJournal(join(directory, 'a'), heard, (reason) => failures.push(reason));
  expect(failures).toHaveLength(1);
  const other = watchJournal(
    tempDir(),
    async () => {},
    () => {},
  );
  other.close();
  expect(heard).not.toHaveBeenCalled();
});
