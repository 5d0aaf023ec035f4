import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { Appender, releaseSegments } from '../../src/journal/appender.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { WrittenSegment } from '../../src/journal/segment-counts.ts';
import type { FsyncMode } from '../../src/model/fsync-mode.ts';
import { setLeaseGuard } from '../../src/system/lease-guard.ts';
import { SOURCE, takeAll, tempDir } from '../support/journal-records.ts';

const DESTINATIONS = ['holder'];

interface Appending {
  readonly appender: Appender;
  readonly events: string[];
  readonly segments: WrittenSegment[];
  append(n: number): void;
}

function appending(directory: string, fsync: FsyncMode = 'interval'): Appending {
  const appender = new Appender({ directory, destinations: DESTINATIONS, books: new Books(), fsync });
  onTestFinished(() => appender.close());
  const events: string[] = [];
  const segments: WrittenSegment[] = [];
  appender.listen({
    opened: (segment) => {
      events.push('opened');
      segments.push(segment);
    },
    readable: (_, bytes) => events.push(`readable ${bytes}`),
    appended: () => events.push('appended'),
    completed: () => events.push('completed'),
  });
  const append = (n: number): void => {
    appender.append(SOURCE, { kind: 'L', json: JSON.stringify({ n }) });
    appender.flush();
  };
  return { appender, events, segments, append };
}

/** The journal of another thread, which sends; and the segments that it is responsible for. */
function following(
  directory: string,
  books: Books = new Books(),
): { readonly journal: Journal; readonly held: Map<string, string> } {
  const held = new Map<string, string>();
  const journal = new Journal({
    directory,
    destinations: DESTINATIONS,
    books,
    onSegment: (id, path) => (path === undefined ? held.delete(id) : held.set(id, path)),
  });
  onTestFinished(() => journal.close());
  return { journal, held };
}

test('a segment is reported once, each write, and its end', async () => {
  const { appender, events, append } = appending(await tempDir());
  append(1);
  append(2);
  appender.close();
  append(3);
  expect(events).toEqual(['opened', 'appended', 'appended', 'completed']);
});

test('another journal reads what is appended, and removes the segment after its end', async () => {
  const directory = await tempDir();
  const { appender, segments, append } = appending(directory);
  const { journal, held } = following(directory);
  append(1);
  const [segment] = segments;
  if (segment === undefined) throw new Error('no segment');
  journal.follow(segment);
  journal.follow(segment);
  expect([...held]).toEqual([[segment.id, segment.path]]);
  expect(await takeAll(journal)).toEqual([1]);
  append(2);
  const version = journal.version;
  journal.wake();
  expect(journal.version).toBeGreaterThan(version);
  expect(await takeAll(journal)).toEqual([2]);
  expect(held.size).toBe(1);
  appender.close();
  journal.complete(segment.id, 0);
  expect(await takeAll(journal)).toEqual([]);
  expect(held.size).toBe(0);
  expect(readdirSync(directory)).toEqual([]);
});

test('with always, another journal reads no more than what is synced', async () => {
  const { appender, segments, events, append } = appending(await tempDir(), 'always');
  append(1);
  expect(events).toEqual([]);
  await appender.synced();
  append(2);
  const [segment] = segments;
  if (segment === undefined) throw new Error('no segment');
  const { journal } = following(dirname(segment.path));
  journal.follow(segment);
  // The second record is in the file, but may be gone after a power cut.
  expect(await takeAll(journal)).toEqual([1]);
  await appender.synced();
  const size = statSync(segment.path).size;
  expect(events).toEqual(['opened', 'appended', `readable ${size}`, 'appended']);
  journal.readable(segment.id, size);
  expect(await takeAll(journal)).toEqual([2]);
});

test('the journal of the next thread goes on where the last one was', async () => {
  const directory = await tempDir();
  const { segments, append } = appending(directory);
  append(1);
  append(2);
  const first = following(directory);
  for (const segment of segments) first.journal.follow(segment);
  const batch = await first.journal.next('holder', 1);
  if (batch !== undefined) await first.journal.done('holder', batch);
  // It ends here, without a word.
  append(3);
  const second = following(directory);
  for (const segment of segments) second.journal.adopt(segment);
  expect(await takeAll(second.journal)).toEqual([2, 3]);
  // Sent and removed meanwhile.
  const gone = { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', path: `${directory}/gone` };
  second.journal.adopt({ ...gone, readableTo: undefined, size: 0, entries: undefined });
  expect(await takeAll(second.journal)).toEqual([]);
});

test('a segment that the next thread has sent and removed before it is named once more is not counted as gone', async () => {
  const directory = await tempDir();
  const { appender, segments, append } = appending(directory);
  append(1);
  append(2);
  appender.close();
  const books = new Books();
  const { journal, held } = following(directory, books);
  const ended = segments.map((segment) => ({ ...segment, size: statSync(segment.path).size, entries: 2 }));
  for (const segment of ended) journal.adopt(segment);
  expect(await takeAll(journal)).toEqual([1, 2]);
  expect(readdirSync(directory)).toEqual([]);
  // The recording thread has sent this meanwhile.
  for (const segment of ended) journal.follow(segment);
  expect(await takeAll(journal)).toEqual([]);
  expect(books.snapshot().lost).toBeUndefined();
  expect(held.size).toBe(0);
});

test('released segments are claimed by the next process at once, also when only the thread ends', async () => {
  const directory = await tempDir();
  const { appender, segments, append } = appending(directory);
  append(1);
  appender.close();
  releaseSegments(directory, [...segments, { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', path: `${directory}/gone` }]);
  const [name = ''] = readdirSync(directory);
  expect(name).toMatch(/\.closed$/);
  expect(readFileSync(join(directory, name), 'utf8')).toContain('L{"n":1}\n');
  const { journal, held } = following(directory);
  expect(await journal.claimOrphans()).toBe(1);
  expect([...held.keys()]).toEqual(segments.map(({ id }) => id));
  expect(await takeAll(journal)).toEqual([1]);
});

test('the lease is looked at before the first record of a tick is kept, and again before the tick is written', async () => {
  const directory = await tempDir();
  const { appender } = appending(directory);
  const filesAtLook: number[] = [];
  setLeaseGuard({
    lease: 1,
    holds: () => {
      filesAtLook.push(readdirSync(directory).length);
      return true;
    },
  });
  onTestFinished(() => setLeaseGuard(undefined));
  for (let n = 0; n < 100; n += 1) appender.append(SOURCE, { kind: 'L', json: JSON.stringify({ n }) });
  expect(filesAtLook).toEqual([0]);
  appender.flush();
  expect(filesAtLook).toEqual([0, 0]);
  expect(readdirSync(directory)).toHaveLength(1);
});
