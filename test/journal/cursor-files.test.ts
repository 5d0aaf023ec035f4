import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatSegmentName } from '../../src/journal/segment-name.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { openJournal, record, takeAll, tempDir } from '../support/journal-records.ts';

const id = (n: number): string => `01ARZ3NDEKTSV4RRFFQ69G5FA${n}`;

async function leave(directory: string, ...names: readonly string[]): Promise<void> {
  for (const name of names) await writeFile(join(directory, name), '{"holder":5}');
}

test('cursors without a segment are removed by the second look, with what a failed write of them has left', async () => {
  const directory = await tempDir();
  await leave(directory, `${id(1)}.cursors`, `${id(1)}.cursors.tmp`, `${id(2)}.cursors`);
  const { journal } = openJournal(directory);
  await journal.claimOrphans();
  expect(await readdir(directory)).toHaveLength(3);
  await journal.claimOrphans();
  expect(await readdir(directory)).toEqual([]);
});

test('a process that ends removes them too', async () => {
  const directory = await tempDir();
  await leave(directory, `${id(1)}.cursors`);
  const { journal } = openJournal(directory);
  await journal.close();
  expect(await readdir(directory)).toEqual([]);
});

test('cursors of segments that are there stay, also of other machines and of a later version', async () => {
  const directory = await tempDir();
  const owner = { ...ownIdentity(), host: 'elsewhere' };
  const segments = [
    formatSegmentName({ id: id(1), owner, state: 'open' }),
    formatSegmentName({ id: id(2), owner, state: 'claimed' }),
    // Of a later version.
    `${id(3)}~elsewhere~1~2~3.sealed`,
  ];
  await leave(directory, ...segments, `${id(1)}.cursors`, `${id(2)}.cursors`, `${id(3)}.cursors`);
  const { journal } = openJournal(directory);
  for (let look = 0; look < 3; look += 1) await journal.claimOrphans();
  await journal.close();
  expect(await readdir(directory)).toHaveLength(6);
});

test('the cursors of the segment in use stay, and so does everything else', async () => {
  const directory = await tempDir();
  await leave(directory, 'notes.cursors', `${id(1)}.cursors.bak`, 'x.cursors');
  await mkdir(join(directory, `${id(2)}.cursors`));
  const { journal } = openJournal(directory);
  record(journal, 1);
  journal.flush();
  await takeAll(journal);
  for (let look = 0; look < 3; look += 1) await journal.claimOrphans();
  const names = await readdir(directory);
  expect(names.filter((name) => name.endsWith('.open'))).toHaveLength(1);
  expect(names.filter((name) => /^(?!01ARZ).{26}\.cursors$/.test(name))).toHaveLength(1);
  expect(names).toEqual(
    expect.arrayContaining(['notes.cursors', `${id(1)}.cursors.bak`, 'x.cursors', `${id(2)}.cursors`]),
  );
});
