import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Books, type BooksSnapshot } from '../../src/books.ts';
import { Journal, type QueuedBatch } from '../../src/journal/journal.ts';
import { emptyTally } from '../../src/journal/journal-books.ts';
import { SOURCE, segmentsIn, tempDir } from '../support/journal-records.ts';

const DESTINATIONS = ['a', 'b'];

interface Opened {
  readonly journal: Journal;
  readonly books: Books;
  /** The next process: this one is dead, without a word. */
  next(): Promise<Opened>;
}

function open(directory: string): Opened {
  const books = new Books();
  books.setDestinations(DESTINATIONS);
  const journal = new Journal({ directory, destinations: DESTINATIONS, books });
  onTestFinished(() => journal.close());
  const next = async (): Promise<Opened> => {
    for (const name of await segmentsIn(directory))
      renameSync(
        join(directory, name),
        join(directory, name.replace(/~\d+~[^.]*\.\w+$/, '~4194305~0.closed')),
      );
    const opened = open(directory);
    await opened.journal.claimOrphans();
    return opened;
  };
  return { journal, books, next };
}

function append({ journal }: Opened, count: number): void {
  for (let n = 0; n < count; n += 1) journal.append(SOURCE, { kind: 'L', json: JSON.stringify({ n }) });
  journal.flush();
}

/** Takes records for a destination, as a sender does. `saves`: it lives long enough to store how far it has come. */
async function send(
  { journal }: Opened,
  destination: string,
  { max, saves = true }: { readonly max?: number; readonly saves?: boolean } = {},
): Promise<number> {
  const batch: QueuedBatch | undefined = await journal.next(destination, max);
  if (batch === undefined) return 0;
  const tally = { ...emptyTally(), delivered: batch.entries.length };
  journal.settle(destination, batch, tally);
  if (saves) await journal.done(destination, batch);
  return batch.entries.length;
}

async function sendAll(opened: Opened): Promise<void> {
  for (const destination of DESTINATIONS) while ((await send(opened, destination)) > 0);
}

const sum = (counts: Readonly<Record<string, number>> = {}): number =>
  Object.values(counts).reduce((all, count) => all + count, 0);

/** What a destination has not got, from the counters alone. */
function rest(
  { recorded, claimed, delivered, unsent, left, lost }: BooksSnapshot,
  destination: string,
): number {
  const went = (delivered[destination] ?? 0) + (unsent?.[destination] ?? 0) + (left?.[destination] ?? 0);
  return recorded + (claimed?.[destination] ?? 0) - went - sum(lost?.[destination]);
}

/** What stands in the files behind the places up to which a destination has received them. */
async function standing(directory: string, destination: string): Promise<number> {
  let records = 0;
  for (const name of await segmentsIn(directory)) {
    let from = 0;
    try {
      const cursors = readFileSync(join(directory, `${name.split('~')[0]}.cursors`), 'utf8');
      from = JSON.parse(cursors)[destination] ?? 0;
    } catch {
      // Nothing was received yet.
    }
    const text = readFileSync(join(directory, name)).subarray(from).toString();
    records += text
      .split('\n')
      .slice(0, -1)
      .filter((line) => /^L\{.*\}$/.test(line)).length;
  }
  return records;
}

async function check(directory: string, { books }: Opened): Promise<Readonly<Record<string, number>>> {
  const snapshot = books.snapshot();
  for (const destination of DESTINATIONS) {
    expect(snapshot.pending?.[destination]).toBe(await standing(directory, destination));
    expect(snapshot.pending?.[destination]).toBe(rest(snapshot, destination));
  }
  return snapshot.pending ?? {};
}

test('what is pending is what stands in the files, over the ends of processes', async () => {
  const directory = await tempDir();
  const first = open(directory);
  append(first, 10);
  await send(first, 'a', { max: 4 });
  expect(await check(directory, first)).toEqual({ a: 6, b: 10 });
  const second = await first.next();
  await second.journal.next('b');
  expect(await check(directory, second)).toEqual({ a: 6, b: 10 });
  append(second, 5);
  await send(second, 'a', { max: 3 });
  expect(await check(directory, second)).toEqual({ a: 8, b: 15 });
  const third = await second.next();
  await sendAll(third);
  expect(await check(directory, third)).toEqual({ a: 0, b: 0 });
  expect(third.books.snapshot().claimed).toEqual({ a: 8, b: 15 });
  expect(readdirSync(directory)).toEqual([]);
});

test('a batch that was sent and not noted before the end is sent again by the next process, and counted once by each', async () => {
  const directory = await tempDir();
  const first = open(directory);
  append(first, 10);
  await send(first, 'a', { max: 4, saves: false });
  // The same process reads the same batch again: it counts nothing more.
  await send(first, 'a', { max: 4, saves: false });
  expect(first.books.snapshot().delivered).toEqual({ a: 4 });
  const second = await first.next();
  await sendAll(second);
  expect(second.books.snapshot()).toMatchObject({ claimed: { a: 10, b: 10 }, delivered: { a: 10, b: 10 } });
  expect(await check(directory, second)).toEqual({ a: 0, b: 0 });
});

test('half a record and damaged lines are in no book but that of skipped lines', async () => {
  const directory = await tempDir();
  const first = open(directory);
  append(first, 3);
  const [name = ''] = await segmentsIn(directory);
  appendFileSync(join(directory, name), `nonsense\n${'\0'.repeat(20)}L{"n":7}\nL{"n":8`);
  const second = await first.next();
  await second.journal.next('a', 1);
  expect(second.books.snapshot().claimed).toEqual({ a: 4, b: 4 });
  await sendAll(second);
  expect(second.books.snapshot()).toMatchObject({ pending: { a: 0, b: 0 }, skippedLines: 1, dropped: {} });
});

test('records that were cut off the segment of a living process are lost for both, as damaged', async () => {
  const directory = await tempDir();
  const first = open(directory);
  append(first, 10);
  const [name = ''] = await segmentsIn(directory);
  truncateSync(join(directory, name), readFileSync(join(directory, name)).indexOf('L{"n":6}'));
  first.journal.complete(name.split('~')[0] ?? '', 0, 10);
  await sendAll(first);
  expect(first.books.snapshot()).toMatchObject({
    delivered: { a: 6, b: 6 },
    lost: { a: { damaged: 4 }, b: { damaged: 4 } },
    pending: { a: 0, b: 0 },
  });
});

test.each([
  ['removed by another program', (path: string) => rmSync(path), 'lost'],
  [
    'claimed by another process',
    (path: string) => renameSync(path, path.replace(/~\d+~[^.]*\.\w+$/, '~4194305~0.claimed')),
    'left',
  ],
] as const)('a segment that is %s is counted', async (_, remove, what) => {
  const directory = await tempDir();
  const first = open(directory);
  append(first, 10);
  const [name = ''] = await segmentsIn(directory);
  remove(join(directory, name));
  // The writer notices, and completes the segment.
  await first.journal.claimOrphans();
  await sendAll(first);
  const { pending, left, lost } = first.books.snapshot();
  expect(pending).toEqual({ a: 0, b: 0 });
  if (what === 'left') expect(left).toEqual({ a: 10, b: 10 });
  else expect(lost).toEqual({ a: { segment_gone: 10 }, b: { segment_gone: 10 } });
});

test('records that cannot be written are lost for every destination', async () => {
  const directory = await tempDir();
  const first = open(directory);
  append(first, 2);
  await sendAll(first);
  await first.journal.close();
  append(first, 3);
  expect(first.books.snapshot()).toMatchObject({
    recorded: 5,
    dropped: { journal_closed: 3 },
    lost: { a: { journal_closed: 3 }, b: { journal_closed: 3 } },
    pending: { a: 0, b: 0 },
  });
});
