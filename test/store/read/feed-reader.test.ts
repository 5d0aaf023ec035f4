import {
  appendFileSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { FeedPage, FeedQuery } from '../../../src/model/workflow.ts';
import { createFeedReader } from '../../../src/store/read/feed-reader.ts';
import { tempDir } from '../../support/log-dir.ts';

const MIB = 1_048_576;

/** A feed directory and a follower of it. */
class Followed {
  readonly dir: string;
  readonly read: (query: FeedQuery) => Promise<FeedPage>;
  after: string | undefined;

  constructor(workflowDir: string) {
    this.dir = join(workflowDir, '_feed');
    this.read = createFeedReader(workflowDir).read;
    mkdirSync(this.dir);
  }

  path(day: number): string {
    return join(this.dir, `2026-11-${String(day).padStart(2, '0')}.jsonl`);
  }

  put(day: number, text: string): void {
    appendFileSync(this.path(day), text);
  }

  /** Numbers of the next page. */
  async next(more: Partial<FeedQuery> = {}): Promise<number[]> {
    const { items, nextCursor } = await this.read({ limit: 100, after: this.after, ...more });
    this.after = nextCursor;
    return items.map((item) => (JSON.parse(item) as { n: number }).n);
  }
}

async function follow(): Promise<Followed> {
  return new Followed(await tempDir());
}

function line(n: number, more: object = {}): string {
  return `${JSON.stringify({ n, event_type: n % 2 === 0 ? 'step_start' : 'step_complete', ...more })}\n`;
}

function linesOf(from: number, to: number): string {
  return range(from, to)
    .map((n) => line(n))
    .join('');
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

test('an empty or missing feed gives an empty page, and its cursor reaches all later events', async () => {
  const feed = await follow();
  rmSync(feed.dir, { recursive: true });
  expect(await feed.next()).toEqual([]);
  const before = feed.after;
  expect(await feed.next()).toEqual([]);
  expect(feed.after).toBe(before);
  mkdirSync(feed.dir);
  feed.put(1, '');
  expect(await feed.next()).toEqual([]);
  feed.put(1, linesOf(0, 3));
  expect(await feed.next()).toEqual([0, 1, 2]);
  feed.after = before;
  expect(await feed.next()).toEqual([0, 1, 2]);
});

test('events are read unchanged, in the order of storing, over the files of several days', async () => {
  const feed = await follow();
  feed.put(2, linesOf(3, 5));
  feed.put(1, linesOf(0, 3));
  feed.put(10, linesOf(5, 7));
  const { items } = await feed.read({ limit: 100 });
  expect(items.map((item) => `${item}\n`).join('')).toBe(linesOf(0, 7));
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])('pages of %i return every event once, across files', async (limit) => {
  const feed = await follow();
  feed.put(1, linesOf(0, 3));
  feed.put(2, linesOf(3, 4));
  feed.put(3, '');
  feed.put(4, linesOf(4, 8));
  const seen: number[] = [];
  for (let page = await feed.next({ limit }); page.length > 0; page = await feed.next({ limit })) {
    expect(page.length).toBeLessThanOrEqual(limit);
    seen.push(...page);
  }
  expect(seen).toEqual(range(0, 8));
  const end = feed.after;
  expect(await feed.next({ limit })).toEqual([]);
  expect(feed.after).toBe(end);
});

test('an incomplete line is returned once it is complete, also after it was cut and written again', async () => {
  const feed = await follow();
  const whole = line(1);
  feed.put(1, line(0) + whole.slice(0, 9));
  expect(await feed.next()).toEqual([0]);
  feed.put(1, whole.slice(9, -1));
  expect(await feed.next()).toEqual([]);
  feed.put(1, '\n');
  expect(await feed.next()).toEqual([1]);
  feed.put(1, line(2).slice(0, 9));
  expect(await feed.next()).toEqual([]);
  truncateSync(feed.path(1), line(0).length + whole.length);
  expect(await feed.next()).toEqual([]);
  feed.put(1, line(3));
  expect(await feed.next()).toEqual([3]);
});

test('a torn last line is skipped when the next file starts', async () => {
  const feed = await follow();
  feed.put(1, line(0) + line(1).slice(0, 9));
  expect(await feed.next()).toEqual([0]);
  feed.put(2, line(1));
  expect(await feed.next()).toEqual([1]);
  feed.after = undefined;
  expect(await feed.next()).toEqual([0, 1]);
});

test('no event is missed when a file is appended to and succeeded while it is read', {
  tags: 'full',
}, async () => {
  const feed = await follow();
  let written = 0;
  const dayOf = (n: number): string => new Date(Date.UTC(2026, 0, 1 + n)).toISOString().slice(0, 10);
  // Between any two steps of the reader: the last line of a day and the file of the next day.
  const write = (turns: number): void => {
    if (turns === 0) {
      appendFileSync(join(feed.dir, `${dayOf(written)}.jsonl`), line(written));
      appendFileSync(join(feed.dir, `${dayOf(written + 1)}.jsonl`), '');
      written += 1;
    }
    if (written < 600) setImmediate(write, turns === 0 ? 10 + ((written * 7) % 23) : turns - 1);
  };
  write(0);
  const seen: number[] = [];
  while (written < 600) seen.push(...(await feed.next()));
  for (let page = await feed.next(); page.length > 0; page = await feed.next()) seen.push(...page);
  expect(seen).toEqual(range(0, 600));
});

test('an invalid line and a line over the limit are skipped', async () => {
  const feed = await follow();
  const tooLong = line(9, { x: 'x'.repeat(17 * MIB) });
  feed.put(1, `${line(0)}nonsense\n\n[]\n${'\0'.repeat(5000)}\n${line(1)}${tooLong}${line(2)}`);
  const seen: number[] = [];
  for (let calls = 0; calls < 10; calls += 1) seen.push(...(await feed.next()));
  expect(seen).toEqual([0, 1, 2]);
});

test('the end of a line over the limit does not count as a line', async () => {
  const feed = await follow();
  // The last piece of it has the form of an event.
  feed.put(1, 'x'.repeat(68 * 262_144) + line(9) + line(1));
  expect([...(await feed.next()), ...(await feed.next()), ...(await feed.next())]).toEqual([1]);
});

test('lines of every length are complete at every cut of the reads', { tags: 'full' }, async () => {
  const feed = await follow();
  const lengths = [1, 262_100, 262_110, 262_120, 262_144, 524_288, 3 * MIB, 6 * MIB, 1, 15 * MIB, 5];
  for (const [n, length] of lengths.entries()) feed.put(1, line(n, { x: '\u00e4'.repeat(length / 2) }));
  const seen: number[] = [];
  for (let page = await feed.next(); page.length > 0; page = await feed.next()) seen.push(...page);
  expect(seen).toEqual(range(0, lengths.length));
});

test('a rare type is found in bounded pages, each of which advances the cursor', async () => {
  const feed = await follow();
  const wide = { event_type: 'step_start', x: 'x'.repeat(1000) };
  const block = range(0, 6000)
    .map((n) => line(n, wide))
    .join('');
  feed.put(1, block);
  feed.put(2, block);
  feed.put(2, line(7, { event_type: 'error' }));
  let calls = 0;
  let page: number[] = [];
  const cursors = new Set<string | undefined>();
  while (page.length === 0 && calls < 20) {
    page = await feed.next({ type: 'error' });
    cursors.add(feed.after);
    calls += 1;
  }
  expect(page).toEqual([7]);
  expect(calls).toBeGreaterThan(2);
  expect(cursors.size).toBe(calls);
  expect(await feed.next({ type: 'error' })).toEqual([]);
  feed.put(2, line(8, { event_type: 'error' }) + line(9));
  expect(await feed.next({ type: 'error' })).toEqual([8]);
  expect(await feed.next()).toEqual([]);
});

test('a page ends after about 4 MiB for every limit', async () => {
  const feed = await follow();
  feed.put(
    1,
    range(0, 10)
      .map((n) => line(n, { x: 'x'.repeat(MIB) }))
      .join(''),
  );
  const first = await feed.next({ limit: 1000 });
  expect(first.length).toBeGreaterThan(2);
  expect(first.length).toBeLessThan(7);
  const seen = [...first];
  for (let page = await feed.next(); page.length > 0; page = await feed.next()) seen.push(...page);
  expect(seen).toEqual(range(0, 10));
});

test('a cursor in a removed file is an error, and a later cursor goes on', async () => {
  const feed = await follow();
  feed.put(1, linesOf(0, 2));
  await feed.next();
  const behind = feed.after;
  feed.put(2, linesOf(2, 4));
  expect(await feed.next()).toEqual([2, 3]);
  unlinkSync(feed.path(1));
  expect(await feed.next()).toEqual([]);
  feed.put(2, line(4));
  expect(await feed.next()).toEqual([4]);
  await expect(feed.read({ limit: 5, after: behind })).rejects.toMatchObject({
    code: 'ERR_GONE',
    message: expect.stringContaining('without "after"'),
  });
  feed.after = undefined;
  expect(await feed.next()).toEqual([2, 3, 4]);
});

test('a cursor is invalid in a file that was truncated or rewritten', async () => {
  const feed = await follow();
  feed.put(1, linesOf(0, 5));
  await feed.next();
  const { after } = feed;
  truncateSync(feed.path(1), 10);
  await expect(feed.read({ limit: 5, after })).rejects.toMatchObject({ code: 'ERR_GONE' });
  writeFileSync(feed.path(1), line(0, { x: 'x'.repeat(1000) }));
  await expect(feed.read({ limit: 5, after })).rejects.toMatchObject({ code: 'ERR_GONE' });
});

const cursorOf = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test.each([
  'abc',
  'not base64 at all',
  cursorOf(null),
  cursorOf({ file: '2026-11-01.jsonl' }),
  cursorOf({ file: '2026-11-01.jsonl', offset: -1 }),
  cursorOf({ file: '2026-11-01.jsonl', offset: 1.5 }),
  cursorOf({ file: '2026-11-01.jsonl', offset: '0' }),
  cursorOf({ file: '', offset: 7 }),
  cursorOf({ file: '../../secret', offset: 0 }),
  cursorOf({ file: '../2026-11-01.jsonl', offset: 0 }),
])('the cursor %s is invalid', async (after) => {
  const feed = await follow();
  feed.put(1, line(0));
  await expect(feed.read({ limit: 5, after })).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' });
});

test('nothing is read through a symbolic link or from a foreign file', async () => {
  const feed = await follow();
  const outside = await follow();
  outside.put(1, line(9));
  symlinkSync(outside.path(1), feed.path(1));
  feed.put(2, line(0));
  writeFileSync(join(feed.dir, '2026-11-03.jsonl.bak'), line(8));
  writeFileSync(join(feed.dir, '.2026-11-03.jsonl.7.tmp'), line(8));
  mkdirSync(feed.path(4));
  expect(await feed.next()).toEqual([0]);
  expect(await feed.next()).toEqual([]);
  rmSync(feed.dir, { recursive: true });
  symlinkSync(outside.dir, feed.dir);
  expect((await feed.read({ limit: 5 })).items).toEqual([]);
});
