import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { builtUrl } from '../../support/built.ts';
import { until } from '../../support/until.ts';
import { tempDir } from '../run-command.ts';

type Program = ChildProcessByStdio<null, Readable, Readable>;

/** A program that writes with `out`, a stream over its standard output, and reports on standard error. */
async function program(body: string): Promise<Program> {
  const script = join(await tempDir(), 'program.mjs');
  const url = builtUrl('cli/terminal/terminal-stream.ts');
  await writeFile(
    script,
    `import { TerminalStream } from '${url}';\nconst out = new TerminalStream(1);\n${body}`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** What the program has reported so far. */
function reportOf(child: Program): () => string {
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  return () => text;
}

test('texts and bytes arrive whole and in order, however much there is', async () => {
  const child = await program(`
    for (let i = 0; i < 2_000; i += 1) void out.write(i % 2 ? i + ' ' + 'x'.repeat(1_000) + '\\n' : Buffer.from(i + '\\n'));
    await out.drained();
    console.error(String(out.failure));`);
  const report = reportOf(child);
  const stdout = await textOf(child.stdout);
  const numbers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => Number.parseInt(line, 10));
  expect(numbers).toEqual(Array.from({ length: 2_000 }, (_, index) => index));
  await until(() => report() === 'undefined\n', 'the report');
});

test('a reader that pauses stops only the writes', async () => {
  const child = await program(`
    let isWritten = false;
    const written = out.write('x'.repeat(1_000_000)).then(() => { isWritten = true; });
    setTimeout(() => console.error('alive ' + isWritten), 100);
    await written;
    console.error('written');`);
  const report = reportOf(child);
  // The pipe holds a small part of it, and nothing reads it yet.
  await until(() => report().includes('alive'), 'the timer');
  expect(report()).toBe('alive false\n');
  const closed = once(child, 'close');
  expect((await textOf(child.stdout)).length).toBe(1_000_000);
  await closed;
  expect(report()).toBe('alive false\nwritten\n');
});

test('once the reader has ended, writes end quietly with the reason', async () => {
  const child = await program(`
    process.on('SIGTERM', async () => {
      await out.write('a');
      await out.write('b');
      console.error(out.failure);
      process.exit(0);
    });
    setInterval(() => {}, 1_000);
    console.error('ready');`);
  const report = reportOf(child);
  await until(() => report().includes('ready'), 'the program');
  child.stdout.destroy();
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(report()).toBe('ready\nEPIPE\n');
});
