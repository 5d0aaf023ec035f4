import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builtUrl } from '../support/built.ts';
import { openJournal, segmentsIn, takeAll, tempDir } from '../support/journal-records.ts';
import { lessInCi } from '../support/less-in-ci.ts';

let scripts = '';

beforeAll(async () => {
  scripts = await mkdtemp(join(tmpdir(), 'tasktrail-scripts-'));
  const header = `
    import { writeSync } from 'node:fs';
    import { Journal } from '${builtUrl('journal/journal.ts')}';
    import { Books } from '${builtUrl('books.ts')}';
    const [directory, from] = process.argv.slice(2);
    const source = { resource: { attributes: [] }, scope: { name: 'child' } };
    const journal = new Journal({ directory, destinations: ['holder'], books: new Books() });
  `;
  // Appends records and prints their numbers one tick later.
  await writeFile(
    join(scripts, 'record.mjs'),
    `${header}
    let n = Number(from);
    const step = () => {
      const mine = [];
      for (let i = 0; i < 1 + n % 7; i += 1) {
        journal.append(source, { kind: 'L', json: JSON.stringify({ n, text: 'x'.repeat(n % 500) }) });
        mine.push(n);
        n += 1;
      }
      setImmediate(() => { writeSync(1, mine.join('\\n') + '\\n'); step(); });
    };
    step();`,
  );
  // Claims segments after a line on stdin and prints what it claimed.
  await writeFile(
    join(scripts, 'claim.mjs'),
    `${header}
    writeSync(1, 'ready\\n');
    process.stdin.once('data', async () => {
      await journal.claimOrphans();
      for (let batch; (batch = await journal.next('holder')) !== undefined; await journal.done('holder', batch)) {
        for (const { json } of batch.entries) writeSync(1, JSON.parse(json).n + '\\n');
      }
      await journal.close();
      process.exit(0);
    });`,
  );
}, 120_000);

afterAll(() => rm(scripts, { recursive: true, force: true }));

function start(script: string, args: readonly string[]): { child: ChildProcess; text: () => string } {
  const child = spawn(process.execPath, [join(scripts, script), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  return { child, text: () => text };
}

async function printed(child: ChildProcess): Promise<void> {
  if (child.stdout !== null) await once(child.stdout, 'data');
}

/** Numbers of complete lines: the kill may have cut the last one. */
function numbers(text: string): number[] {
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== 'ready')
    .map(Number);
}

/** Records in a child process until it is killed. Returns the numbers recorded at least one tick before. */
async function recordAndKill(directory: string, from: number, afterMs: number): Promise<number[]> {
  const { child, text } = start('record.mjs', [directory, String(from)]);
  const closed = once(child, 'close');
  await printed(child);
  setTimeout(() => child.kill('SIGKILL'), afterMs);
  await closed;
  return numbers(text());
}

test('records older than one tick survive kill -9 at any moment, in order', async () => {
  const directory = await tempDir();
  for (let round = 0; round < lessInCi(24, 10); round += 1) {
    const from = round * 10_000_000;
    const accepted = await recordAndKill(directory, from, Math.random() * 40);
    expect(accepted.length).toBeGreaterThan(0);
    const { journal, books } = openJournal(directory);
    expect(await journal.claimOrphans()).toBe(1);
    const taken = await takeAll(journal);
    expect(taken.slice(0, accepted.length)).toEqual(accepted);
    // After them only records of the last tick may follow, without a gap.
    expect(taken).toEqual(taken.map((_, at) => from + at));
    expect(books.snapshot().skippedLines).toBe(0);
    await journal.close();
    expect(await readdir(directory)).toEqual([]);
  }
}, 120_000);

test('when several processes claim at the same time, each segment of a dead process goes to exactly one', async () => {
  const directory = await tempDir();
  const accepted: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    accepted.push(...(await recordAndKill(directory, round * 10_000_000, 5)));
  }
  const claimers = Array.from({ length: 4 }, () => start('claim.mjs', [directory]));
  const closed = claimers.map(({ child }) => once(child, 'close'));
  await Promise.all(claimers.map(({ child }) => printed(child)));
  for (const { child } of claimers) child.stdin?.end('go');
  await Promise.all(closed);
  const taken = claimers.flatMap(({ text }) => numbers(text()));
  expect(new Set(taken).size).toBe(taken.length);
  expect(taken).toEqual(expect.arrayContaining(accepted));
  expect(await readdir(directory)).toEqual([]);
}, 60_000);

test('the segment of a live process is not claimed', async () => {
  const directory = await tempDir();
  const { child } = start('record.mjs', [directory, '0']);
  const closed = once(child, 'close');
  await printed(child);
  const { journal } = openJournal(directory);
  expect(await journal.claimOrphans()).toBe(0);
  expect(await segmentsIn(directory)).toHaveLength(1);
  child.kill('SIGKILL');
  await closed;
  expect(await journal.claimOrphans()).toBe(1);
});
