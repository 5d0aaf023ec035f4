import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Journal } from '../../src/journal/journal.ts';
import { Segment } from '../../src/journal/segment.ts';
import { formatSegmentName } from '../../src/journal/segment-name.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { openJournal, record, segmentsIn, takeAll, tempDir } from '../support/journal-records.ts';

const SEGMENTS = 200;
const HEADER = 'H{"version":1,"destinations":["a","b"]}\n';

/** Leaves segments of a dead process with two records each. */
async function leaveSegments(directory: string): Promise<void> {
  const owner = { ...ownIdentity(), start: 'dead-1' };
  for (let n = 0; n < SEGMENTS; n += 1) {
    const id = `01ARZ3NDEKTSV4RRFFQ69${String(n).padStart(5, '0')}`;
    const path = join(directory, formatSegmentName({ id, owner, state: 'open' }));
    await writeFile(path, `${HEADER}L{"n":${2 * n}}\nL{"n":${2 * n + 1}}\n`);
  }
}

/** Counts the segments at which a call looks. */
function countLooks(): () => number {
  const spy = vi.spyOn(Segment.prototype, 'reader');
  onTestFinished(() => spy.mockRestore());
  return () => spy.mock.calls.length;
}

async function claimed(): Promise<{ journal: Journal; directory: string }> {
  const directory = await tempDir();
  await leaveSegments(directory);
  const { journal } = openJournal(directory, ['a', 'b']);
  expect(await journal.claimOrphans()).toBe(SEGMENTS);
  return { journal, directory };
}

const ALL = Array.from({ length: 2 * SEGMENTS }, (_, n) => n);

test('the looks at segments grow with the backlog and not with its square, while another destination stands still', async () => {
  const { journal, directory } = await claimed();
  const looks = countLooks();
  expect(await takeAll(journal, 'a')).toEqual(ALL);
  // One for its batch, one for its end.
  expect(looks()).toBeLessThanOrEqual(2 * SEGMENTS);
  const before = looks();
  for (let again = 0; again < 10; again += 1) expect(await journal.next('a')).toBeUndefined();
  expect(looks() - before).toBe(0);
  // None of them is forgotten: the other destination has received nothing.
  expect(await segmentsIn(directory)).toHaveLength(SEGMENTS);
  expect(await takeAll(journal, 'b')).toEqual(ALL);
  expect(await segmentsIn(directory)).toEqual([]);
});

test('segments that come later are sent to a destination that has passed all others', async () => {
  const { journal } = await claimed();
  await takeAll(journal, 'a');
  const looks = countLooks();
  for (let n = 0; n < 20; n += 1) {
    record(journal, n);
    journal.flush();
    expect(await takeAll(journal, 'a')).toEqual([n]);
  }
  expect(looks()).toBeLessThanOrEqual(3 * 20);
});

test('a destination looks again at a segment that it has passed when the number of its records comes late', async () => {
  const directory = await tempDir();
  const { journal, books } = openJournal(directory, ['a', 'b']);
  const file = { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', path: join(directory, 'gone'), readableTo: undefined };
  journal.follow({ ...file, size: 10, entries: undefined });
  expect(await journal.next('a')).toBeUndefined();
  expect(books.snapshot().lost).toBeUndefined();
  journal.complete(file.id, 10, 2);
  expect(await journal.next('a')).toBeUndefined();
  expect(books.snapshot().lost).toEqual({ a: { segment_gone: 2 } });
});
