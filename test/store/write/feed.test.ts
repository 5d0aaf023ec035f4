import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Feed } from '../../../src/store/write/feed.ts';
import type { NewLine } from '../../../src/store/write/lines/line-file.ts';
import { tempDir } from '../../support/log-dir.ts';

const DAY1 = Date.parse('2026-01-01T12:00:00Z');
const DAY2 = Date.parse('2026-01-02T12:00:00Z');

const line = (n: number): NewLine => ({ id: `id-${n}`, timestamp: '', text: `{"event_id":"id-${n}"}` });
const textOf = (...numbers: number[]): string => numbers.map((n) => `${line(n).text}\n`).join('');

async function openFeed(): Promise<{ dir: string; feed: Feed; clock: { now: number } }> {
  const workflowDir = await tempDir();
  const clock = { now: DAY1 };
  return { dir: join(workflowDir, '_feed'), feed: new Feed(workflowDir, () => clock.now), clock };
}

test('lines are appended to the file of the day of storing, in order of the calls', async () => {
  const { dir, feed, clock } = await openFeed();
  await feed.append([]);
  await Promise.all([feed.append([line(1), line(2)]), feed.append([line(3)])]);
  clock.now = DAY2;
  await feed.append([line(4)]);
  expect(readFileSync(join(dir, '2026-01-01.jsonl'), 'utf8')).toBe(textOf(1, 2, 3));
  expect(readFileSync(join(dir, '2026-01-02.jsonl'), 'utf8')).toBe(textOf(4));
});

test('a clock that goes back does not return to an older file', async () => {
  const { dir, feed, clock } = await openFeed();
  clock.now = DAY2;
  await feed.append([line(1)]);
  clock.now = DAY1;
  await feed.append([line(2)]);
  expect(readdirSync(dir)).toEqual(['2026-01-02.jsonl']);
});

test('a torn last line is cut before the first append', async () => {
  const { dir, feed } = await openFeed();
  mkdirSync(dir);
  writeFileSync(join(dir, '2026-01-01.jsonl'), `${textOf(1)}{"event_id":"id-`);
  await feed.append([line(2)]);
  expect(readFileSync(join(dir, '2026-01-01.jsonl'), 'utf8')).toBe(textOf(1, 2));
});

test('missing returns the ids without a complete line in any file', async () => {
  const { dir, feed, clock } = await openFeed();
  expect(await feed.missing(new Set(['id-1']))).toEqual(new Set(['id-1']));
  await feed.append([line(1)]);
  clock.now = DAY2;
  await feed.append([line(2)]);
  appendFileSync(join(dir, '2026-01-02.jsonl'), line(3).text);
  writeFileSync(join(dir, 'notes.jsonl'), textOf(4));
  const ids = new Set(['id-1', 'id-2', 'id-3', 'id-4']);
  expect(await feed.missing(ids)).toEqual(new Set(['id-3', 'id-4']));
  expect(ids.size).toBe(4);
});

test('a failed append is an error, and the next one works again', async () => {
  const { dir, feed } = await openFeed();
  writeFileSync(dir, 'a file in place of the folder');
  await expect(feed.append([line(1)])).rejects.toMatchObject({ code: 'EEXIST' });
});
