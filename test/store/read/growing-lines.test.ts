import { appendFileSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { compressTask } from '../../../src/store/compress.ts';
import { GrowingLines } from '../../../src/store/read/growing-lines.ts';
import { tempDir } from '../../support/log-dir.ts';

const line = (n: number): string => `${JSON.stringify({ event_id: `id-${n}`, n })}\n`;

interface Followed {
  readonly dir: string;
  readonly path: string;
  /** Numbers of the lines that came since the last call. */
  next(): Promise<number[]>;
}

async function follow(): Promise<Followed> {
  const logDir = await tempDir();
  const dir = join(logDir, 'task-1');
  mkdirSync(dir);
  const lines = new GrowingLines(logDir, 'task-1', 'agentOutput');
  onTestFinished(() => lines.close());
  const next = async (): Promise<number[]> => {
    const numbers: number[] = [];
    for await (const batch of lines.news()) numbers.push(...batch.map((text) => JSON.parse(text).n));
    return numbers;
  };
  return { dir, path: join(dir, '03-agent-output.jsonl'), next };
}

test('each call returns the lines that were added, from the first on', async () => {
  const { path, next } = await follow();
  expect(await next()).toEqual([]);
  writeFileSync(path, line(1) + line(2));
  expect(await next()).toEqual([1, 2]);
  expect(await next()).toEqual([]);
  appendFileSync(path, line(3));
  expect(await next()).toEqual([3]);
});

test('the record of the trail is returned also behind a copy of another sender, before and after the copy is removed', async () => {
  const { path, next } = await follow();
  const sent = (n: number, sender?: string): string => `${JSON.stringify({ event_id: 'id-1', n, sender })}\n`;
  writeFileSync(path, sent(1, 'anonymous'));
  expect(await next()).toEqual([1]);
  appendFileSync(path, sent(2));
  expect(await next()).toEqual([2]);
  writeFileSync(`${path}.tmp`, sent(2) + line(3));
  renameSync(`${path}.tmp`, path);
  expect(await next()).toEqual([3]);
});

test('a copy that was removed before it was followed up does not hide the record', async () => {
  const { path, next } = await follow();
  const sent = (n: number, sender?: string): string => `${JSON.stringify({ event_id: 'id-1', n, sender })}\n`;
  writeFileSync(path, sent(1, 'agent'));
  expect(await next()).toEqual([1]);
  writeFileSync(`${path}.tmp`, sent(2));
  renameSync(`${path}.tmp`, path);
  expect(await next()).toEqual([2]);
});

test('an incomplete line is returned once it is complete, and an invalid one never', async () => {
  const { path, next } = await follow();
  writeFileSync(path, `${line(1)}nonsense\n${line(2).slice(0, 10)}`);
  expect(await next()).toEqual([1]);
  appendFileSync(path, line(2).slice(10));
  expect(await next()).toEqual([2]);
});

test('a torn line that was cut and written again is returned once', async () => {
  const { path, next } = await follow();
  writeFileSync(path, line(1) + line(2).slice(0, 10));
  expect(await next()).toEqual([1]);
  truncateSync(path, line(1).length);
  appendFileSync(path, line(2) + line(3));
  expect(await next()).toEqual([2, 3]);
});

test('a file that was truncated before a returned line is read again', async () => {
  const { path, next } = await follow();
  writeFileSync(path, line(1) + line(2));
  expect(await next()).toEqual([1, 2]);
  truncateSync(path, line(1).length);
  expect(await next()).toEqual([]);
  appendFileSync(path, line(3));
  expect(await next()).toEqual([3]);
});

test('after the file was sorted and replaced, only new lines are returned', async () => {
  const { dir, path, next } = await follow();
  writeFileSync(path, line(2) + line(1));
  expect(await next()).toEqual([2, 1]);
  writeFileSync(join(dir, 'sorted'), line(0) + line(1) + line(2) + line(3));
  renameSync(join(dir, 'sorted'), path);
  expect(await next()).toEqual([0, 3]);
  appendFileSync(path, line(4));
  expect(await next()).toEqual([4]);
});

test('after the file was gzipped, the rest of it is returned once', async () => {
  const { dir, path, next } = await follow();
  writeFileSync(path, line(1));
  expect(await next()).toEqual([1]);
  appendFileSync(path, line(2));
  await compressTask(dir);
  expect(await next()).toEqual([2]);
  expect(await next()).toEqual([]);
});

test('a file that was gzipped before the first call is returned once', async () => {
  const { dir, path, next } = await follow();
  writeFileSync(path, line(1) + line(2));
  await compressTask(dir);
  expect(await next()).toEqual([1, 2]);
  expect(await next()).toEqual([]);
});

test('a file that was removed ends, and its successor starts with the lines that are new', async () => {
  const { path, next } = await follow();
  writeFileSync(path, line(1));
  expect(await next()).toEqual([1]);
  rmSync(path);
  expect(await next()).toEqual([]);
  writeFileSync(path, line(1) + line(2));
  expect(await next()).toEqual([2]);
});
