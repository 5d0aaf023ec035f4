import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { watchJournal } from '../../src/journal/watch.ts';
import { DEADLINE } from '../support/until.ts';

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tasktrail-watch-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a released segment is reported at once, also in a new directory', async () => {
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
  await vi.waitFor(() => expect(calls).toBeGreaterThan(0), DEADLINE);
  const before = calls;
  renameSync(join(directory, 'a'), join(directory, 'b'));
  await vi.waitFor(() => expect(calls).toBeGreaterThan(before), DEADLINE);
  expect(failures).toEqual([]);
});

test('nothing is reported after close, and a directory that cannot be watched is an error', async () => {
  const directory = tempDir();
  const failures: string[] = [];
  const onChange = vi.fn(async () => {});
  watchJournal(directory, onChange, () => {}).close();
  writeFileSync(join(directory, 'a'), 'x');
  watchJournal(join(directory, 'a'), onChange, (reason) => failures.push(reason));
  expect(failures).toHaveLength(1);
  const other = watchJournal(
    tempDir(),
    async () => {},
    () => {},
  );
  other.close();
  expect(onChange).not.toHaveBeenCalled();
});
