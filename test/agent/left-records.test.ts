import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { keepLeftRecords, leftRecordsFolder, leftRecordsParent } from '../../src/agent/left-records.ts';
import { tempDir } from '../support/log-dir.ts';

const nameOf = (n: number, state = 'closed'): string => `${String(n).padStart(26, '0')}~host~1~.${state}`;

async function folders(): Promise<{ log: string; journal: string; target: string }> {
  const dir = await tempDir();
  const log = join(dir, 'log');
  const journal = join(log, '_journal');
  mkdirSync(journal, { recursive: true });
  return { log, journal, target: join(dir, 'left', 'task-1') };
}

test('the records of a run wait beside the folders of tasks', () => {
  expect(leftRecordsFolder('/logs/_agent/task-1/run-x')).toBe('/logs/_agent/_left/task-1');
  expect(leftRecordsParent('/logs/_agent')).toBe('/logs/_agent/_left');
});

test('segments are copied as closed ones, whatever their state is, and other files are not', async () => {
  const { log, journal, target } = await folders();
  writeFileSync(join(journal, nameOf(1)), 'one\n');
  writeFileSync(join(journal, nameOf(2, 'open')), 'two\n');
  writeFileSync(join(journal, `${'0'.repeat(26)}.cursors`), '{}');
  expect(await keepLeftRecords(log, target)).toBe(2);
  expect(readdirSync(target)).toEqual([nameOf(1), nameOf(2)]);
  expect(readFileSync(join(target, nameOf(2)), 'utf8')).toBe('two\n');
});

test('no link is followed, no pipe is waited for, and no file of another place is read', async () => {
  const { log, journal, target } = await folders();
  const secret = join(log, 'secret');
  writeFileSync(secret, 'secret\n');
  symlinkSync(secret, join(journal, nameOf(1)));
  linkSync(secret, join(journal, nameOf(2)));
  mkdirSync(join(journal, nameOf(3)));
  execFileSync('mkfifo', [join(journal, nameOf(4))]);
  writeFileSync(join(journal, nameOf(5)), 'kept\n');
  expect(await keepLeftRecords(log, target)).toBe(1);
  expect(readdirSync(target)).toEqual([nameOf(5)]);
});

test('a link in the place of the journal or of the log directory shows nothing', async () => {
  const other = await folders();
  writeFileSync(join(other.journal, nameOf(1)), 'of the service\n');
  const dir = await tempDir();
  symlinkSync(other.log, join(dir, 'log'));
  expect(await keepLeftRecords(join(dir, 'log'), join(dir, 'left'))).toBe(0);
  mkdirSync(join(dir, 'own'));
  symlinkSync(other.journal, join(dir, 'own', '_journal'));
  expect(await keepLeftRecords(join(dir, 'own'), join(dir, 'left'))).toBe(0);
  expect(await keepLeftRecords(join(dir, 'absent'), join(dir, 'left'))).toBe(0);
});

test('what is larger than the limit stays behind, and the rest is kept', async () => {
  const { log, journal, target } = await folders();
  writeFileSync(join(journal, nameOf(1)), '');
  truncateSync(join(journal, nameOf(1)), 65 * 1024 * 1024);
  writeFileSync(join(journal, nameOf(2)), 'kept\n');
  expect(await keepLeftRecords(log, target)).toBe(1);
  expect(readdirSync(target)).toEqual([nameOf(2)]);
});
