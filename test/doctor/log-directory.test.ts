import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkLogDirectory } from '../../src/doctor/log-directory.ts';
import { linesOf, subjectOf, tempDir } from './subject.ts';

async function look(path: string, more: Record<string, string> = {}): Promise<string> {
  return linesOf(await checkLogDirectory(subjectOf({ TASK_LOGS_DIR: path, ...more })));
}

test('a directory that is not there would be made, and is not', async () => {
  const path = join(tempDir(), 'a', 'b');
  expect(await look(path)).toBe(`ok ${path}: is not there yet; it is created at the start`);
  expect(existsSync(path)).toBe(false);
});

test('a directory is writable, and a link says where it leads', async () => {
  const dir = tempDir();
  expect(await look(dir)).toBe(`ok ${dir}: writable`);
  const link = join(tempDir(), 'link');
  symlinkSync(dir, link);
  expect(await look(link)).toBe(`ok ${link}: writable, a link to ${dir}`);
});

test('a file, a link that leads nowhere, and a parent that is a file are problems', async () => {
  const dir = tempDir();
  const file = join(dir, 'file');
  writeFileSync(file, '');
  expect(await look(file)).toMatch(/^problem .*a file stands where the directory should be -> /);
  expect(await look(join(file, 'logs'))).toMatch(/^problem .*cannot be created: .*file is a file -> /);
  const link = join(dir, 'link');
  symlinkSync(join(dir, 'gone'), link);
  expect(await look(link)).toMatch(/^problem .*a broken link/);
});

test('the directory of workflows is looked at where it is elsewhere', async () => {
  const [dir, file] = [tempDir(), join(tempDir(), 'file')];
  writeFileSync(file, '');
  expect(await look(dir, { TASK_LOGS_WORKFLOW_DIR: file })).toMatch(/^ok .*\nproblem .*a file stands/);
});

test('who stores nothing here needs no directory', async () => {
  expect(await look('/no/such', { TASK_LOGS_STORE: 'false' })).toMatch(/^ok .*TASK_LOGS_STORE is false$/);
  expect(await look('/no/such', { TASK_LOGS_ENABLED: 'false' })).toMatch(/^ok .*TASK_LOGS_ENABLED is false$/);
});
