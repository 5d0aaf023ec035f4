import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { Journal } from '../../src/journal/journal.ts';
import { formatSegmentName } from '../../src/journal/segment-name.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { openJournal, takeAll, tempDir } from '../support/journal-records.ts';

const HEADER = 'H{"version":1,"destinations":["holder"]}\n';

/** Older than the segment with a record: what is wrong comes first. */
const BAD = '01ARZ3NDEKTSV4RRFFQ69G5FA0';
const GOOD = '01ARZ3NDEKTSV4RRFFQ69G5FA1';

/** The name of a segment that a dead process has left. */
function nameOf(id: string): string {
  return formatSegmentName({ id, owner: { ...ownIdentity(), pid: 4_194_305 }, state: 'closed' });
}

async function listen(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
}

/** What stands in the place of a segment, how it comes there, and what the notice says. */
const STRANGERS: readonly (readonly [string, (path: string, outside: string) => unknown, string])[] = [
  ['a folder', (path) => mkdirSync(path), 'is not a regular file'],
  ['a socket', (path) => listen(path), 'is not a regular file'],
  ['a link to a file outside', (path, outside) => symlinkSync(outside, path), 'is a symbolic link'],
  ['a link to nothing', (path) => symlinkSync('/nowhere/at/all', path), 'is a symbolic link'],
  [
    'a segment of a newer version',
    (path) => writeFileSync(path, 'H{"version":2,"destinations":["holder"]}\nL{"n":7}\n'),
    'it is of version 2',
  ],
  [
    'a segment of version 10',
    (path) => writeFileSync(path, 'H{"version":10,"destinations":["holder"]}\nL{"n":7}\n'),
    'it is of version 10',
  ],
  ['another text', (path) => writeFileSync(path, 'my notes\nL{"n":7}\n'), 'does not begin as a segment'],
  ['another text without a line', (path) => writeFileSync(path, 'my notes'), 'does not begin as a segment'],
  [
    'a header without destinations',
    (path) => writeFileSync(path, 'H{"version":1,"x":1}\nL{"n":7}\n'),
    'does not begin',
  ],
  [
    'two gigabytes of zeros',
    (path) => {
      writeFileSync(path, '');
      truncateSync(path, 2 ** 31);
    },
    'which no segment has',
  ],
];

test.each(STRANGERS)(
  '%s in the place of a segment stays as it is and is named; all others are sent',
  async (_, make, said) => {
    const directory = await tempDir();
    const outside = join(await tempDir(), 'outside');
    writeFileSync(outside, `${HEADER}L{"n":9}\n`);
    const name = nameOf(BAD);
    await make(join(directory, name), outside);
    writeFileSync(join(directory, nameOf(GOOD)), `${HEADER}L{"n":1}\n`);
    const { journal, books } = openJournal(directory);
    for (let look = 0; look < 3; look += 1) await journal.claimOrphans();
    expect(await takeAll(journal)).toEqual([1]);
    expect(books.notices.get('journal segments')).toContain(said);
    expect(books.notices.get('journal segments')).toContain(name.slice(0, 40));
    expect([...books.reasons]).toEqual([]);
    expect(books.snapshot()).toMatchObject({ skippedLines: 0, dropped: {} });
    await journal.close();
    expect([...books.reasons]).toEqual([]);
    expect(readdirSync(directory)).toEqual([name]);
    expect(readFileSync(outside, 'utf8')).toBe(`${HEADER}L{"n":9}\n`);
  },
);

test.each(['', 'H{"ver', HEADER.slice(0, -1), '\0\0\0\0'])(
  'a segment whose process was killed before its first record is removed: %j',
  async (content) => {
    const directory = await tempDir();
    writeFileSync(join(directory, nameOf(BAD)), content);
    const { journal, books } = openJournal(directory);
    await journal.claimOrphans();
    expect(await takeAll(journal)).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    expect(books.notices.has('journal segments')).toBe(false);
  },
);

test('the records behind a block of NUL, where a power cut took the header, are sent', async () => {
  const directory = await tempDir();
  writeFileSync(join(directory, nameOf(BAD)), `${'\0'.repeat(4096)}\nL{"n":1}\n`);
  const { journal } = openJournal(directory);
  await journal.claimOrphans();
  expect(await takeAll(journal)).toEqual([1]);
});

test('other names in the directory are named once and stay; without them the notice goes', async () => {
  const directory = await tempDir();
  const names = ['a', 'b\u001b[31m', 'c', 'd'];
  for (const name of names) writeFileSync(join(directory, name), 'mine');
  const { journal, books } = openJournal(directory);
  await journal.claimOrphans();
  const notice = books.notices.get('journal strangers');
  expect(notice).toBe('4 names are not of the journal and stay there: "a", "b\\u001b[31m", "c", ...');
  await journal.close();
  expect(readdirSync(directory).sort()).toEqual(names);
});

test('the state of `tasktrail workflow` is no other name', async () => {
  const directory = await tempDir();
  mkdirSync(join(directory, 'current'));
  const { journal, books } = openJournal(directory);
  await journal.claimOrphans();
  expect(books.notices.get('journal strangers')).toBeUndefined();
});

test.each(['folder', 'zeros', 'link'])(
  'a %s in the place of the cursors costs a repetition, no record',
  async (kind) => {
    const directory = await tempDir();
    const path = join(directory, `${BAD}.cursors`);
    const outside = join(await tempDir(), 'outside');
    writeFileSync(outside, '{"holder":1000}');
    if (kind === 'folder') mkdirSync(path);
    else if (kind === 'link') symlinkSync(outside, path);
    else {
      writeFileSync(path, '');
      truncateSync(path, 2 ** 31 - 1);
    }
    writeFileSync(join(directory, nameOf(BAD)), `${HEADER}L{"n":1}\n`);
    const { journal } = openJournal(directory);
    await journal.claimOrphans();
    const batch = await journal.next('holder');
    expect(batch?.entries.map(({ json }) => json)).toEqual(['{"n":1}']);
    if (batch !== undefined) await journal.done('holder', batch).catch(() => {});
    expect(readFileSync(outside, 'utf8')).toBe('{"holder":1000}');
  },
);

test('a bound of the journal takes no records for what others have left in its directory', async () => {
  const directory = await tempDir();
  mkdirSync(join(directory, nameOf(BAD)));
  for (const name of ['core.1', nameOf('01ARZ3NDEKTSV4RRFFQ69G5FA2')]) {
    writeFileSync(join(directory, name), '');
    truncateSync(join(directory, name), 2 ** 31);
  }
  writeFileSync(join(directory, nameOf(GOOD)), `${HEADER}L{"n":1}\n`);
  const books = new Books();
  const limit = { bytesMax: 1_000_000, full: 'oldest' as const };
  const journal = new Journal({ directory, destinations: ['holder'], books, limit });
  onTestFinished(() => journal.close());
  await journal.claimOrphans();
  journal.append({ resource: { attributes: [] }, scope: { name: 'x' } }, { kind: 'L', json: '{"n":2}' });
  journal.flush();
  expect(await takeAll(journal)).toEqual([1, 2]);
  expect(books.snapshot().dropped).toEqual({});
  expect(books.notices.has('journal bound')).toBe(false);
});
