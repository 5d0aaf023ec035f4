import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { journalDir, writeLoneRecord } from '../../src/journal/lone-record.ts';
import type { JournalLimit } from '../../src/model/journal-full.ts';
import { openJournal, tempDir } from '../support/journal-records.ts';

/** Mocks a disk that is full after `room` bytes, which a test cannot create. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  return {
    ...actual,
    writeSync: (fd: number, bytes: Buffer, offset = 0) => {
      if (disk.room <= 0)
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      const written = actual.writeSync(fd, bytes, offset, Math.min(bytes.length - offset, disk.room));
      disk.room -= written;
      return written;
    },
  };
});

afterEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
});

const RECORD = { timeUnixNano: '1', eventName: 'e', attributes: [], traceId: 'a'.repeat(32) };

function write(logDir: string, limit?: JournalLimit): void {
  const source = { resource: { attributes: [] }, scope: { name: 'test' } };
  writeLoneRecord({ logDir, destinations: ['holder'], source, limit }, RECORD);
}

test('when the call returns, the record is in a closed segment of its own that can be claimed', async () => {
  const logDir = await tempDir();
  write(logDir);
  write(logDir);
  const directory = journalDir(logDir);
  const names = await readdir(directory);
  expect(names).toHaveLength(2);
  for (const name of names) expect(name).toMatch(/\.closed$/);
  expect(await readFile(join(directory, names[0] ?? ''), 'utf8')).toContain(`\nL${JSON.stringify(RECORD)}\n`);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  const { journal } = openJournal(directory);
  expect(await journal.claimOrphans()).toBe(2);
  expect((await journal.next('holder'))?.entries.map(({ json }) => JSON.parse(json))).toEqual([RECORD]);
  await journal.close();
});

test.each([0, 10, 150])(
  'a disk that is full after %i bytes is an error, and no file is left',
  async (room) => {
    const logDir = await tempDir();
    disk.room = room;
    expect(() => write(logDir)).toThrow(
      expect.objectContaining({ code: 'ERR_DIRECTORY_UNUSABLE', message: expect.stringContaining('ENOSPC') }),
    );
    expect(await readdir(journalDir(logDir))).toEqual([]);
  },
);

test('a file in place of the journal is an error that names it', async () => {
  const logDir = await tempDir();
  await mkdir(logDir, { recursive: true });
  await writeFile(journalDir(logDir), 'a file');
  expect(() => write(logDir)).toThrow(/^TASK_LOGS_DIR: cannot write to the journal in \S+_journal: /);
});

test('a journal that has reached its bound is an error that names the setting', async () => {
  const logDir = await tempDir();
  write(logDir);
  expect(() => write(logDir, { bytesMax: 10, full: 'newest' })).toThrow(
    'the records that wait have reached TASK_LOGS_JOURNAL_MAX',
  );
  expect(await readdir(journalDir(logDir))).toHaveLength(1);
});
