import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const readme = await readFile(join(ROOT, 'README.md'), 'utf8');

test('the code in the README compiles against the built package, as a strict user would compile it', async () => {
  const [, snippet] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(snippet).toContain("from 'tasktrail'");
  // Inside the checkout, so that express and bullmq are found; the package by its own name, as after an install.
  const dir = await mkdtemp(join(ROOT, 'node_modules', '.readme-'));
  try {
    await writeFile(join(dir, 'snippet.ts'), snippet ?? '');
    await writeFile(join(dir, 'package.json'), '{"type":"module"}');
    await symlink(ROOT, join(ROOT, 'node_modules', 'tasktrail')).catch(() => undefined);
    const options = [
      '--strict',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--skipLibCheck',
      '--types',
      'node',
    ];
    const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
    const { stdout } = await promisify(execFile)(tsc, [...options, '--ignoreConfig', 'snippet.ts'], {
      cwd: dir,
    }).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  } finally {
    await rm(dir, { recursive: true });
    await rm(join(ROOT, 'node_modules', 'tasktrail'), { force: true });
  }
});

test('every npm command that the README names exists', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const named = [...readme.matchAll(/npm (?:run )?([a-z]+)/g)]
    .map(([, name]) => name ?? '')
    .filter((name) => !['ci', 'install'].includes(name));
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test('every setting that the README names is one that the program reads, and the other way round', async () => {
  const config = await readFile(join(ROOT, 'src', 'config.ts'), 'utf8');
  const table = readme.slice(readme.indexOf('## Commands and settings'), readme.indexOf('## Guarantees'));
  const read = [...config.matchAll(/^ {2}([A-Z][A-Z0-9_]+): \{/gm)].map(([, name]) => name ?? '');
  expect(read.length).toBeGreaterThan(10);
  expect(read.filter((name) => !table.includes(`\`${name}\``))).toEqual([]);
  const named = [...table.matchAll(/`((?:TASK_LOGS|GITHUB)_[A-Z_]+)`/g)].map(([, name]) => name ?? '');
  expect(named.filter((name) => !read.includes(name))).toEqual([]);
});
