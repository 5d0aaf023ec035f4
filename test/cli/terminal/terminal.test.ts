import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { builtUrl } from '../../support/built.ts';
import { hasTerminal, openTerminal } from '../pty.ts';
import { type Env, tempDir } from '../run-command.ts';

/** The results of `outputWidth` and `paintFor` in a program on a terminal of that width. */
async function onTerminal(columns: number, env: Env = {}): Promise<string> {
  const cwd = await tempDir();
  const script = join(cwd, 'program.mjs');
  await writeFile(
    script,
    `import { outputWidth, paintFor } from '${builtUrl('cli/terminal/terminal.ts')}';
     console.log(outputWidth() + ' ' + JSON.stringify(paintFor(1)('x', 'red')));`,
  );
  const terminal = openTerminal(`'${process.execPath}' '${script}'`, { cwd, env, columns });
  await terminal.ended;
  return terminal.text().trim();
}

const RED = '"\\u001b[31mx\\u001b[0m"';

test.skipIf(!hasTerminal)('a terminal has its own width, and colours', async () => {
  expect(await onTerminal(63)).toBe(`63 ${RED}`);
});

test.skipIf(!hasTerminal)('a terminal that reports no width has 80 columns', async () => {
  expect(await onTerminal(0)).toBe(`80 ${RED}`);
});

test.skipIf(!hasTerminal).each([
  [{ NO_COLOR: '1' }, '"x"'],
  [{ NO_COLOR: '' }, RED],
  [{ TERM: 'dumb' }, '"x"'],
])('with %j a text is painted as %s', async (env, painted) => {
  expect(await onTerminal(80, env as Env)).toBe(`80 ${painted}`);
});
