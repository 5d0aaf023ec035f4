import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { tempDir } from '../cli/run-command.ts';
import { until } from '../support/until.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** A minimal checkout with src/build/dev.mjs. Its program prints its arguments and `expression` until SIGTERM. */
interface Checkout {
  readonly dir: string;
  write(expression: string): void;
}

async function checkout(): Promise<Checkout> {
  const dir = await tempDir();
  for (const folder of ['src/build', 'src/cli']) mkdirSync(join(dir, folder), { recursive: true });
  for (const file of ['src/build/dev.mjs', 'tsconfig.json', 'tsconfig.build.json'])
    copyFileSync(join(ROOT, file), join(dir, file));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  const write = (expression: string): void =>
    writeFileSync(
      join(dir, 'src/cli/main.ts'),
      `const text: string = ${expression};
       console.log('starts', process.pid, process.argv.slice(2).join(' '), text);
       process.on('SIGTERM', () => { console.log('stops', text); process.exit(0); });
       // Ends with its parent, which the test kills after a failed assertion.
       const parent = process.ppid;
       setInterval(() => process.ppid === parent || process.exit(), 200);
       export {};\n`,
    );
  return { dir, write };
}

function startDev(dir: string): { child: ChildProcessByStdio<null, Readable, Readable>; text: () => string } {
  const child = spawn(process.execPath, [join(dir, 'src/build/dev.mjs'), '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
  return { child, text: () => text };
}

test('the service starts, restarts on a change, survives a type error, and ends with the script', {
  tags: ['full'],
}, async () => {
  const { dir, write } = await checkout();
  write("'one'");
  const { child, text } = startDev(dir);
  const shows = (part: RegExp): Promise<RegExpExecArray> =>
    until(() => part.exec(text()) ?? undefined, String(part), 20_000);
  await shows(/starts \d+ start --port 0 one\n/);
  write("'two'");
  await shows(/stops one\nstarts \d+ start --port 0 two\n/);
  write('2');
  await shows(/error.*TS2322[\s\S]*dev: the sources have errors/);
  expect(text()).not.toContain('stops two');
  write("'three'");
  const [, pid] = await shows(/stops two\nstarts (\d+) start --port 0 three\n/);
  child.kill('SIGINT');
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(text()).toMatch(/stops three\n$/);
  expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
});
