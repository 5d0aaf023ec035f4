import { readdirSync, readFileSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type OpenSegment, SegmentWriter } from '../../src/journal/segment-writer.ts';
import { nextTick, SOURCE, tempDir } from '../support/journal-records.ts';

interface Opened {
  readonly directory: string;
  readonly writer: SegmentWriter;
  readonly appended: OpenSegment[];
  readonly full: OpenSegment[];
  readonly dropped: string[];
}

async function openWriter(): Promise<Opened> {
  const directory = join(await tempDir(), 'journal');
  const appended: OpenSegment[] = [];
  const full: OpenSegment[] = [];
  const dropped: string[] = [];
  const writer = new SegmentWriter({
    directory,
    destinations: ['holder'],
    onAppend: (segment) => appended.push({ ...segment }),
    onFull: (segment) => full.push(segment),
    onDropped: (reason, count) => dropped.push(`${count} ${reason}`),
    onState: () => {},
  });
  onTestFinished(() => writer.close());
  return { directory, writer, appended, full, dropped };
}

const append = (writer: SegmentWriter, n: number): void =>
  writer.append(SOURCE, { kind: 'L', json: `{"n":${n}}` });

const HEADER = 'H{"version":1,"destinations":["holder"]}';
const SOURCE_LINE = `C${JSON.stringify(SOURCE)}`;

test('a segment has a header, a source when it changes, and a line for each entry', async () => {
  const { directory, writer, appended } = await openWriter();
  append(writer, 1);
  append(writer, 2);
  const other = { ...SOURCE, scope: { name: 'other' } };
  writer.append(other, { kind: 'S', json: '{"name":"span"}' });
  expect(writer.pendingCount).toBe(3);
  await nextTick();
  expect(writer.pendingCount).toBe(0);
  expect(appended).toHaveLength(1);
  const otherLine = `C${JSON.stringify(other)}`;
  const text = [HEADER, SOURCE_LINE, 'L{"n":1}', 'L{"n":2}', otherLine, 'S{"name":"span"}', ''].join('\n');
  const [name = ''] = readdirSync(directory);
  expect(readFileSync(join(directory, name), 'utf8')).toBe(text);
  expect(appended[0]?.size).toBe(text.length);
});

test.each(['deleted', 'claimed'])(
  'a %s segment is replaced by one that starts with the source',
  async (how) => {
    const { directory, writer, appended, full } = await openWriter();
    append(writer, 1);
    writer.flush();
    const path = appended[0]?.path ?? '';
    if (how === 'deleted') unlinkSync(path);
    else renameSync(path, join(directory, '..', 'claimed'));
    append(writer, 2);
    writer.flush();
    expect(full.map((segment) => segment.path)).toEqual([path]);
    const next = appended[1]?.path ?? '';
    expect(next).not.toBe(path);
    expect(readFileSync(next, 'utf8')).toBe([HEADER, SOURCE_LINE, 'L{"n":2}', ''].join('\n'));
  },
);

test('ticks share memory, and each writes its own bytes', async () => {
  const { directory, writer } = await openWriter();
  const texts = Array.from({ length: 400 }, (_, n) => `${n} ${'ä€😀x'.repeat((n * 37) % 500)}`);
  for (const text of texts) {
    writer.append(SOURCE, { kind: 'L', json: JSON.stringify(text) });
    writer.flush();
  }
  // Longer than the shared memory.
  writer.append(SOURCE, { kind: 'L', json: JSON.stringify('€'.repeat(300_000)) });
  writer.flush();
  const [name = ''] = readdirSync(directory);
  const lines = readFileSync(join(directory, name), 'utf8').split('\n').slice(2, -1);
  expect(lines.slice(0, -1).map((line) => JSON.parse(line.slice(1)))).toEqual(texts);
  expect(lines.at(-1)).toHaveLength(300_003);
});

test('a segment that was claimed while the process stood still is not written to in the next tick', async () => {
  const { directory, writer, appended } = await openWriter();
  append(writer, 1);
  await nextTick();
  renameSync(appended[0]?.path ?? '', join(directory, '..', 'claimed'));
  for (const claimedMs = Date.now(); Date.now() === claimedMs; );
  append(writer, 2);
  await nextTick();
  expect(readFileSync(join(directory, '..', 'claimed'), 'utf8')).not.toContain('"n":2');
  expect(readFileSync(appended[1]?.path ?? '', 'utf8')).toContain('L{"n":2}');
});

test('close writes the waiting entries, and later ones are dropped', async () => {
  const { directory, writer, full, dropped } = await openWriter();
  append(writer, 1);
  writer.close();
  append(writer, 2);
  await nextTick();
  expect(full).toHaveLength(1);
  expect(dropped).toEqual(['1 journal_closed']);
  expect(readdirSync(directory)).toHaveLength(1);
});
