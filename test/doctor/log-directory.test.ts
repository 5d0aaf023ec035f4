import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkLogDirectory } from '../../src/doctor/log-directory.ts';
import { linesOf, subjectOf, tempDir } from './subject.ts';

async function look(path: string, more: Record<string, string> = {}): Promise<string> {
  return linesOf(await checkLogDirectory(subjectOf({ TASK_LOGS_DIR: path, ...more })));
}

test('a missing directory is ok, and is not created', async () => {
  const path = join(tempDir(), 'a', 'b');
  expect(await look(path)).toBe(`ok ${path}: is not there yet; it is created at the start`);
  expect(existsSync(path)).toBe(false);
});

test('a writable directory is ok, and a link is shown with its target', async () => {
  const dir = tempDir();
  expect(await look(dir)).toBe(`ok ${dir}: writable`);
  const link = join(tempDir(), 'link');
  symlinkSync(dir, link);
  expect(await look(link)).toBe(`ok ${link}: writable, a link to ${dir}`);
});

test('a file, a broken link, and a parent that is a file are problems', async () => {
  const dir = tempDir();
  const file = join(dir, 'file');
  writeFileSync(file, '');
  expect(await look(file)).toMatch(/^problem .*a file stands where the directory should be -> /);
  expect(await look(join(file, 'logs'))).toMatch(/^problem .*cannot be created: .*file is a file -> /);
  const link = join(dir, 'link');
  symlinkSync(join(dir, 'gone'), link);
  expect(await look(link)).toMatch(/^problem .*a broken link/);
});

test('a workflow directory outside of the log directory is checked too', async () => {
  const [dir, file] = [tempDir(), join(tempDir(), 'file')];
  writeFileSync(file, '');
  expect(await look(dir, { TASK_LOGS_WORKFLOW_DIR: file })).toMatch(/^ok .*\nproblem .*a file stands/);
});

test('without a store no directory is needed', async () => {
  expect(await look('/no/such', { TASK_LOGS_STORE: 'false' })).toMatch(/^ok .*TASK_LOGS_STORE is false$/);
  expect(await look('/no/such', { TASK_LOGS_ENABLED: 'false' })).toMatch(/^ok .*TASK_LOGS_ENABLED is false$/);
});
