import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LineFile, type NewLine } from '../../../src/store/write/lines/line-file.ts';
import { eventKey } from '../../../src/store/write/lines/line-keys.ts';
import { builtUrl } from '../../support/built.ts';
import { fc } from '../../support/fast-check.ts';
import { tempDir } from '../../support/log-dir.ts';

function line(number: number, ms = number): NewLine {
  const id = `id-${String(number).padStart(6, '0')}`;
  const timestamp = new Date(ms).toISOString();
  return { id, timestamp, text: JSON.stringify({ timestamp, event_id: id, content: 'é' }) };
}

function textOf(...lines: readonly NewLine[]): string {
  return lines.map(({ text }) => `${text}\n`).join('');
}

async function openFile(): Promise<{ path: string; file: LineFile }> {
  const path = join(await tempDir(), 'lines.jsonl');
  return { path, file: await LineFile.open(path, eventKey) };
}

test('lines are stored once, also within one call and after a restart', async () => {
  const { path, file } = await openFile();
  expect(await file.append([line(1), line(1), line(2)])).toBe(2);
  expect(await file.append([line(2)])).toBe(0);
  const again = await LineFile.open(path, eventKey);
  expect(await again.append([line(1), line(2), line(3)])).toBe(1);
  expect(readFileSync(path, 'utf8')).toBe(textOf(line(1), line(2), line(3)));
});

test('a file is not created before the first append', async () => {
  const { path, file } = await openFile();
  await file.append([]);
  await file.settle();
  expect(readdirSync(join(path, '..'))).toEqual([]);
});

test('settling gives the same order for every order of arrival and with restarts', {
  tags: 'full',
}, async () => {
  const lines = Array.from({ length: 12 }, (_, index) => line(index, Math.floor(index / 3)));
  const dir = await tempDir();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(lines, { minLength: lines.length }),
      fc.nat(lines.length),
      async (given, cut) => {
        run += 1;
        const path = join(dir, `${run}.jsonl`);
        const file = await LineFile.open(path, eventKey);
        await file.append(given.slice(0, cut));
        await file.settle();
        const reopened = await LineFile.open(path, eventKey);
        await reopened.append(given.slice(cut));
        await reopened.settle();
        expect(readFileSync(path, 'utf8')).toBe(textOf(...lines));
        expect(reopened.isOrdered).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

test('settling does not rewrite a file that is in order', async () => {
  const { path, file } = await openFile();
  await file.append([line(1), line(2)]);
  const before = statSync(path);
  await file.settle();
  expect(statSync(path).ino).toBe(before.ino);
});

test('a torn last line is cut when the file is opened, and the next line does not continue it', async () => {
  const { path, file } = await openFile();
  await file.append([line(1)]);
  appendFileSync(path, line(2).text.slice(0, 20));
  const again = await LineFile.open(path, eventKey);
  expect(again.badLines).toBe(1);
  await again.append([line(2)]);
  expect(readFileSync(path, 'utf8')).toBe(textOf(line(1), line(2)));
});

test('invalid lines are counted, stay after the line before them, and survive settling byte for byte', async () => {
  const { path } = await openFile();
  const bad = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('{"torn\n{"no":"key"}\n')]);
  writeFileSync(
    path,
    Buffer.concat([Buffer.from(textOf(line(3))), bad, Buffer.from(`\n${textOf(line(1))}`)]),
  );
  const file = await LineFile.open(path, eventKey);
  expect(file.badLines).toBe(2);
  await file.settle();
  const expected = Buffer.concat([Buffer.from(textOf(line(1), line(3))), bad]);
  expect(readFileSync(path).equals(expected)).toBe(true);
});

test('blank lines are removed by settling', async () => {
  const { path } = await openFile();
  writeFileSync(path, `\n\n\n${textOf(line(3))}\n${textOf(line(1))}`);
  const file = await LineFile.open(path, eventKey);
  await file.settle();
  await file.append([line(4)]);
  expect(readFileSync(path, 'utf8')).toBe(textOf(line(1), line(3), line(4)));
});

test('a line longer than one read is one line', async () => {
  const { path } = await openFile();
  const long = { timestamp: new Date(5).toISOString(), event_id: 'long', content: 'x'.repeat(3_000_000) };
  writeFileSync(path, `${JSON.stringify(long)}\n${textOf(line(1))}`);
  const file = await LineFile.open(path, eventKey);
  expect([file.has('long'), file.has(line(1).id), file.badLines]).toEqual([true, true, 0]);
  await file.settle();
  expect(readFileSync(path, 'utf8')).toBe(`${textOf(line(1))}${JSON.stringify(long)}\n`);
});

test('an append that fails half-way leaves complete lines, and the rest is stored once afterwards', async () => {
  const dir = await tempDir();
  const path = join(dir, 'lines.jsonl');
  const lines = Array.from({ length: 400 }, (_, index) => line(index));
  const script = `
    import { LineFile } from '${builtUrl('store/write/lines/line-file.ts')}';
    import { eventKey } from '${builtUrl('store/write/lines/line-keys.ts')}';
    process.on('SIGXFSZ', () => {});
    const lines = JSON.parse(process.argv[1]);
    const file = await LineFile.open(process.argv[2], eventKey);
    await file.append(lines.slice(0, 10));
    try { await file.append(lines.slice(10)); console.log('stored'); }
    catch (error) { console.log(error.code); }
  `;
  // Blocks of 1 KiB: room for the first lines and some of the rest.
  const child = spawnSync(
    'bash',
    [
      ...['-c', 'ulimit -f 8; exec "$0" --input-type=module -e "$1" -- "$2" "$3"'],
      ...[process.execPath, script, JSON.stringify(lines), path],
    ],
    { encoding: 'utf8' },
  );
  expect(child.stdout.trim(), child.stderr).toBe('EFBIG');
  const stored = readFileSync(path, 'utf8').split('\n').length - 1;
  expect(stored).toBeGreaterThan(10);
  // Complete lines stay, because a reader may have seen them; the torn line does not.
  expect(readFileSync(path, 'utf8')).toBe(textOf(...lines.slice(0, stored)));
  const file = await LineFile.open(path, eventKey);
  expect(await file.append(lines)).toBe(400 - stored);
  expect(readFileSync(path, 'utf8')).toBe(textOf(...lines));
});

test('append throws when the file cannot be written', async () => {
  const { path, file } = await openFile();
  mkdirSync(path);
  await expect(file.append([line(1)])).rejects.toMatchObject({ code: 'EISDIR' });
});

test('a repeated line is removed by settling, also when another process wrote it', async () => {
  const { path, file } = await openFile();
  await file.append([line(1), line(2)]);
  // Another process that also acts as the writer.
  appendFileSync(path, textOf(line(2), line(3)));
  expect(await file.settle()).toBe(true);
  expect(readFileSync(path, 'utf8')).toBe(textOf(line(1), line(2), line(3)));
  expect(file.has('id-000003')).toBe(true);
  expect(await file.settle()).toBe(false);
  writeFileSync(path, textOf(line(1), line(1)));
  const again = await LineFile.open(path, eventKey);
  await again.settle();
  expect(readFileSync(path, 'utf8')).toBe(textOf(line(1)));
});

test('a last line that only lacks its newline is kept', async () => {
  const { path } = await openFile();
  writeFileSync(path, textOf(line(1), line(2)).trimEnd());
  const file = await LineFile.open(path, eventKey);
  expect(file.badLines).toBe(0);
  expect(await file.append([line(2), line(3)])).toBe(1);
  expect(readFileSync(path, 'utf8')).toBe(textOf(line(1), line(2), line(3)));
});

test('a tail of 600 MiB of NUL is cut and counted, and the lines before it are kept', {
  tags: 'full',
}, async () => {
  const { path } = await openFile();
  writeFileSync(path, textOf(line(1), line(2)));
  const whole = statSync(path).size;
  // A sparse file: it reads as NUL and takes no space.
  truncateSync(path, 600 * 1_048_576);
  const file = await LineFile.open(path, eventKey);
  expect(file.badLines).toBe(1);
  expect(statSync(path).size).toBe(whole);
  expect(await file.append([line(1), line(2), line(3)])).toBe(1);
  expect(readFileSync(path, 'utf8')).toBe(textOf(line(1), line(2), line(3)));
});

test('a line over the limit is counted and keeps its position when the others are sorted', async () => {
  const { path } = await openFile();
  const long = 'x'.repeat(17 * 1_048_576);
  writeFileSync(path, `${textOf(line(2))}${long}\n${textOf(line(1))}`);
  const file = await LineFile.open(path, eventKey);
  expect(file.badLines).toBe(1);
  expect(await file.settle()).toBe(true);
  expect(readFileSync(path, 'utf8')).toBe(`${textOf(line(1))}${textOf(line(2))}${long}\n`);
});

test('a line behind a block of NUL is kept, and the next settling removes the NUL', async () => {
  const { path } = await openFile();
  writeFileSync(path, `${textOf(line(1))}${'\0'.repeat(100)}${textOf(line(2))}${'\0'.repeat(100)}`);
  const file = await LineFile.open(path, eventKey);
  // The block at the end has no line behind it.
  expect(file.badLines).toBe(1);
  expect(await file.append([line(1), line(2), line(3)])).toBe(1);
  await file.settle();
  expect(readFileSync(path, 'utf8')).toBe(textOf(line(1), line(2), line(3)));
});
