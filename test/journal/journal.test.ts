import { spawn } from 'node:child_process';
import { appendFileSync, statSync } from 'node:fs';
import { appendFile, mkdir, readdir, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formatSegmentName } from '../../src/journal/segment-name.ts';
import { identityOf, ownIdentity } from '../../src/system/process-identity.ts';
import {
  nextTick,
  openJournal,
  readSegments,
  record,
  SOURCE,
  segmentsIn,
  takeAll,
  tempDir,
} from '../support/journal-records.ts';
import { until } from '../support/until.ts';

const HEADER = 'H{"version":1,"destinations":["holder"]}\n';
const LINE = (n: number): string => `L{"n":${n}}\n`;

function deadName(id = '01ARZ3NDEKTSV4RRFFQ69G5FAV'): string {
  return formatSegmentName({ id, owner: { ...ownIdentity(), start: 'dead-1' }, state: 'open' });
}

async function leaveDead(directory: string, content: string, id?: string): Promise<string> {
  const path = join(directory, deadName(id));
  await writeFile(path, content);
  return path;
}

async function leaveCursors(directory: string, cursors: string): Promise<void> {
  await writeFile(join(directory, '01ARZ3NDEKTSV4RRFFQ69G5FAV.cursors'), cursors);
}

test('appended records are on disk after the tick and not before, and the directory is made', async () => {
  const directory = join(await tempDir(), 'deep', '_journal');
  const { journal } = openJournal(directory);
  record(journal, 1);
  expect(() => statSync(directory)).toThrow();
  await nextTick();
  expect(await readSegments(directory)).toContain(LINE(1));
  expect(statSync(directory).mode & 0o777).toBe(0o700);
});

test('flush writes synchronously', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory);
  record(journal, 1);
  journal.flush();
  const names = await segmentsIn(directory);
  expect(statSync(join(directory, names[0] ?? '')).mode & 0o777).toBe(0o600);
  expect(await readSegments(directory)).toContain(LINE(1));
});

test('records are read in the order of their appends, at most 512 and 4 MiB in a batch', async () => {
  const { journal } = openJournal(await tempDir());
  for (let n = 0; n < 1300; n += 1) record(journal, n);
  journal.flush();
  const first = await journal.next('holder');
  expect(first?.entries).toHaveLength(512);
  expect(await takeAll(journal)).toEqual(Array.from({ length: 1300 }, (_, n) => n));
  for (let n = 0; n < 9; n += 1) record(journal, 'x'.repeat(1024 * 1024));
  journal.flush();
  const batch = await journal.next('holder');
  expect(batch?.entries).toHaveLength(3);
});

test('an entry of more than 4 MiB is a batch of its own', async () => {
  const { journal } = openJournal(await tempDir());
  record(journal, 'small');
  record(journal, 'x'.repeat(9 * 1024 * 1024));
  record(journal, 'after');
  journal.flush();
  const sizes: number[] = [];
  for (let batch = await journal.next('holder'); batch !== undefined; batch = await journal.next('holder')) {
    sizes.push(batch.entries.length);
    await journal.done('holder', batch);
  }
  expect(sizes).toEqual([1, 1, 1]);
});

test('alternating sources count towards the size of a batch', async () => {
  const { journal } = openJournal(await tempDir());
  const big = (name: string) => ({
    resource: { attributes: [{ key: name, value: { stringValue: 'r'.repeat(100_000) } }] },
    scope: { name },
  });
  const [a, b] = [big('a'), big('b')];
  for (let n = 0; n < 200; n += 1) record(journal, n, n % 2 === 0 ? a : b);
  journal.flush();
  const batch = await journal.next('holder');
  expect(batch?.entries.length).toBeLessThan(45);
  expect((await takeAll(journal)).length).toBe(200);
});

test('each record keeps its own source, also across segments and restarts', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory);
  const other = { ...SOURCE, scope: { name: 'other' } };
  record(journal, 1);
  journal.flush();
  record(journal, 2, other);
  journal.flush();
  const [name = ''] = await segmentsIn(directory);
  await rm(join(directory, name));
  // The new segment does not have the lines of the old one.
  record(journal, 3, other);
  record(journal, 4);
  journal.flush();
  const text = await readSegments(directory);
  expect(text.indexOf('"other"')).toBeLessThan(text.indexOf('"n":3'));
  const { journal: next } = openJournal(directory);
  await journal.close();
  await next.claimOrphans();
  const batch = await next.next('holder');
  expect(batch?.entries.map(({ source }) => /"scope":\{"name":"(\w+)"/.exec(source)?.[1])).toEqual([
    'other',
    'test',
  ]);
});

test('a batch is read again until it is done, also after a restart', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory, ['a', 'b']);
  for (let n = 0; n < 6; n += 1) record(journal, n);
  journal.flush();
  const batch = await journal.next('a', 4);
  expect((await journal.next('a', 4))?.entries).toEqual(batch?.entries);
  if (batch !== undefined) await journal.done('a', batch);
  await journal.close();

  const { journal: next } = openJournal(directory, ['a', 'b']);
  expect(await next.claimOrphans()).toBe(1);
  expect(await next.countPending('a')).toBe(2);
  expect(await next.countPending('b')).toBe(6);
  expect(await takeAll(next, 'a')).toEqual([4, 5]);
  expect(await takeAll(next, 'b')).toEqual([0, 1, 2, 3, 4, 5]);
  expect(await readdir(directory)).toEqual([]);
});

test('torn cursors lead to repeated sending, not to loss', async () => {
  const directory = await tempDir();
  await leaveDead(directory, HEADER + LINE(1) + LINE(2));
  await leaveCursors(directory, '{"holder":5');
  const { journal } = openJournal(directory);
  await journal.claimOrphans();
  expect(await takeAll(journal)).toEqual([1, 2]);
});

test('a segment delivered to every destination is deleted by close', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory);
  record(journal, 1);
  journal.flush();
  expect(await takeAll(journal)).toEqual([1]);
  await journal.close();
  expect(await readdir(directory)).toEqual([]);
});

test('a segment waits for a destination unknown to this process, and is not claimed repeatedly', async () => {
  const directory = await tempDir();
  await leaveDead(directory, `H{"version":1,"destinations":["holder","far"]}\n${LINE(1)}`);
  const { journal } = openJournal(directory);
  await journal.claimOrphans();
  expect(await takeAll(journal)).toEqual([1]);
  expect(await segmentsIn(directory)).toEqual([expect.stringMatching(/\.closed$/)]);
  expect(await journal.claimOrphans()).toBe(0);
  // Also after another process has claimed and released it, which changes its name.
  const [name = ''] = await segmentsIn(directory);
  await rename(join(directory, name), join(directory, name.replace(/~\d+~/, '~1~')));
  expect(await journal.claimOrphans()).toBe(0);

  const { journal: knowing } = openJournal(directory, ['holder', 'far']);
  await knowing.claimOrphans();
  expect(await takeAll(knowing, 'holder')).toEqual([]);
  expect(await takeAll(knowing, 'far')).toEqual([1]);
  expect(await readdir(directory)).toEqual([]);
});

test('a former destination that has received everything keeps no segment', async () => {
  const directory = await tempDir();
  const content = `H{"version":1,"destinations":["holder","far"]}\n${LINE(1)}`;
  await leaveDead(directory, content);
  await leaveCursors(directory, JSON.stringify({ far: content.length }));
  const { journal } = openJournal(directory);
  await journal.claimOrphans();
  expect(await takeAll(journal)).toEqual([1]);
  expect(await readdir(directory)).toEqual([]);
});

test('a torn last line is not sent', async () => {
  const directory = await tempDir();
  await leaveDead(directory, `${HEADER}${LINE(1)}L{"n":2,"text":"ha`);
  const { journal, books } = openJournal(directory);
  await journal.claimOrphans();
  expect(await takeAll(journal)).toEqual([1]);
  expect(books.snapshot().skippedLines).toBe(0);
  expect(books.notices.get('journal tails')).toContain('one segment ends in half a record');
  expect(await readdir(directory)).toEqual([]);
});

test.each(['', 'H{"vers', HEADER])('a segment without a record is deleted: %j', async (content) => {
  const directory = await tempDir();
  await leaveDead(directory, content);
  const { journal } = openJournal(directory);
  expect(await journal.claimOrphans()).toBe(1);
  expect(await takeAll(journal)).toEqual([]);
  expect(await readdir(directory)).toEqual([]);
});

test('invalid lines are skipped, and each is counted once for all readers', async () => {
  const directory = await tempDir();
  const bad = ['\0\0\0\n', 'nonsense\n', 'L{"n":7,"cut\n', '\n', 'C[]\n'];
  await leaveDead(
    directory,
    `H{"version":1,"destinations":["a","b"]}\n${bad[0]}${LINE(1)}${bad.slice(1).join('')}${LINE(2)}${bad[1]}`,
  );
  const { journal, books } = openJournal(directory, ['a', 'b']);
  await journal.claimOrphans();
  for (let again = 0; again < 3; again += 1) await journal.next('a');
  expect(await journal.countPending('a')).toBe(2);
  expect(await takeAll(journal, 'a')).toEqual([1, 2]);
  expect(await takeAll(journal, 'b')).toEqual([1, 2]);
  expect(books.snapshot().skippedLines).toBe(bad.length + 1);
});

test('invalid lines at the end of a growing segment are counted once', async () => {
  const directory = await tempDir();
  const { journal, books } = openJournal(directory);
  record(journal, 1);
  journal.flush();
  const [name = ''] = await segmentsIn(directory);
  await appendFile(join(directory, name), 'nonsense\n');
  for (let look = 0; look < 4; look += 1) await takeAll(journal);
  expect(books.snapshot().skippedLines).toBe(1);
});

test('a segment that was truncated before its cursor ends there', async () => {
  const directory = await tempDir();
  const path = await leaveDead(directory, HEADER + LINE(1) + LINE(2));
  await leaveCursors(directory, JSON.stringify({ holder: 10_000 }));
  await truncate(path, HEADER.length);
  const { journal } = openJournal(directory);
  await journal.claimOrphans();
  expect(await takeAll(journal)).toEqual([]);
  expect(await readdir(directory)).toEqual([]);
});

test('a new segment starts after 16 MiB, and the full one is deleted after delivery', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory);
  const text = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 18; n += 1) {
    record(journal, `${n}${text}`);
    journal.flush();
  }
  const names = await segmentsIn(directory);
  expect(names).toHaveLength(2);
  expect(statSync(join(directory, names[0] ?? '')).size).toBeLessThan(18 * 1024 * 1024);
  const taken = await takeAll(journal);
  expect(taken.map((value) => Number.parseInt(String(value), 10))).toEqual(
    Array.from({ length: 18 }, (_, n) => n),
  );
  expect(await segmentsIn(directory)).toEqual(names.slice(1));
});

test('a tick with far more data than the memory limit loses no record', async () => {
  const directory = await tempDir();
  const { journal, books } = openJournal(directory);
  const text = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 50; n += 1) record(journal, text);
  journal.flush();
  expect(books.snapshot().dropped).toEqual({});
  expect(await journal.countPending('holder')).toBe(50);
});

test('after its file was deleted, the journal writes to a new one', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory);
  record(journal, 1);
  journal.flush();
  expect(await takeAll(journal)).toEqual([1]);
  await rm(directory, { recursive: true });
  record(journal, 2);
  record(journal, 3);
  journal.flush();
  expect(await readSegments(directory)).toContain(LINE(3));
  expect(await takeAll(journal)).toEqual([2, 3]);
});

test('records appended after close are counted as dropped', async () => {
  const { journal, books } = openJournal(await tempDir());
  await journal.close();
  record(journal, 1);
  expect(books.snapshot()).toMatchObject({ recorded: 1, dropped: { journal_closed: 1 } });
});

test('the segment of a terminated thread is claimed in the same process once it is stale', async () => {
  const directory = await tempDir();
  const { journal: terminated } = openJournal(directory);
  record(terminated, 1);
  const { journal } = openJournal(directory);
  expect(await journal.claimOrphans()).toBe(0);
  const [name = ''] = await segmentsIn(directory);
  const then = new Date(Date.now() - 61_000);
  await utimes(join(directory, name), then, then);
  expect(await journal.claimOrphans()).toBe(1);
});

test('changed resolves after an append and when the signal aborts', async () => {
  const { journal } = openJournal(await tempDir());
  const stop = new AbortController();
  const woken = journal.changed(journal.version, stop.signal);
  record(journal, 1);
  await woken;
  const aborted = journal.changed(journal.version, stop.signal);
  stop.abort();
  await aborted;
});

test('a foreign file in the directory is left alone', async () => {
  const directory = await tempDir();
  appendFileSync(join(directory, 'notes.txt'), 'mine');
  const { journal } = openJournal(directory);
  expect(await journal.claimOrphans()).toBe(0);
  await journal.close();
  expect(await readdir(directory)).toEqual(['notes.txt']);
});

test('secrets in records and in the resource are not written to disk', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory);
  const secret = `ghp_${'a1B2'.repeat(9)}`;
  journal.append(
    {
      resource: { attributes: [{ key: 'process.command', value: { stringValue: `x --token ${secret}` } }] },
      scope: { name: 's' },
    },
    { kind: 'L', json: '{"n":1}' },
  );
  journal.flush();
  const text = await readSegments(directory);
  expect(text).toContain('process.command');
  expect(text).not.toContain(secret);
});

test('a segment that cannot be read is set aside and named; it is sent once it can be read', async () => {
  const directory = await tempDir();
  // Opening or reading a folder fails for every user, also for root.
  const bad = join(directory, deadName('01ARZ3NDEKTSV4RRFFQ69G5FA0'));
  await mkdir(bad);
  await leaveDead(directory, HEADER + LINE(2), '01ARZ3NDEKTSV4RRFFQ69G5FA1');
  const { journal, books } = openJournal(directory);
  record(journal, 3);
  journal.flush();
  await journal.claimOrphans();
  expect((await takeAll(journal)).sort()).toEqual([2, 3]);
  expect(books.notices.get('journal segments')).toMatch(
    /one segment cannot be read and is set aside.*is not a regular file/,
  );
  expect(await journal.countPending('holder')).toBe(0);
  expect([...books.reasons]).toEqual([]);
  const [claimed = ''] = (await readdir(directory)).filter((name) =>
    name.startsWith('01ARZ3NDEKTSV4RRFFQ69G5FA0'),
  );
  await rm(join(directory, claimed), { recursive: true });
  await writeFile(join(directory, claimed), HEADER + LINE(1));
  await until(async () => {
    const { version } = journal;
    await journal.claimOrphans();
    return journal.version > version;
  }, 'the senders are woken for it');
  expect(await takeAll(journal)).toEqual([1]);
  expect([...books.notices]).toEqual([]);
});

test('claims of other living processes are seen until they are forgotten, those of dead ones and own ones are not', async () => {
  const directory = await tempDir();
  const { journal } = openJournal(directory);
  expect(await journal.hasClaimsOfOthers()).toBe(false);
  const id = '01JY0000000000000000000000';
  const claimed = (pid: number, start: string): string =>
    formatSegmentName({ id, owner: { ...ownIdentity(), pid, start }, state: 'claimed' });
  const { pid, start } = identityOf(process.ppid);
  await writeFile(join(directory, claimed(pid, start)), HEADER);
  expect(await journal.hasClaimsOfOthers()).toBe(true);
  // Above the largest pid.
  await rename(join(directory, claimed(pid, start)), join(directory, claimed(4_194_305, start)));
  expect(await journal.hasClaimsOfOthers()).toBe(false);
  expect(await journal.claimOrphans()).toBe(1);
  expect(await journal.hasClaimsOfOthers()).toBe(false);
  await journal.close();
});

test('the segments of a service that was replaced are claimed while it is alive, and those of others are not', async () => {
  const directory = await tempDir();
  const child = spawn('sleep', ['60']);
  onTestFinished(() => void child.kill('SIGKILL'));
  const owner = identityOf(child.pid ?? 0);
  const name = formatSegmentName({ id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', owner, state: 'open' });
  await writeFile(join(directory, name), HEADER + LINE(1));
  const { journal } = openJournal(directory);
  expect(await journal.claimOrphans()).toBe(0);
  journal.supersede(owner);
  expect(await journal.claimOrphans()).toBe(1);
  expect(await takeAll(journal)).toHaveLength(1);
});
