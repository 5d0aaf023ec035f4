import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

/** What a service reads at any time: its modules, and what is made from them. */
const FILES = ['index.js', 'index.cjs', 'index.d.cts', 'cli/main.js', 'cli/emit.cjs', 'schemas/error.json'];

// A build takes all cores for seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let dir = '';

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasktrail-build-'));
  cpSync(join(ROOT, 'src'), join(dir, 'src'), { recursive: true });
  for (const file of ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'vite.config.ts'])
    cpSync(join(ROOT, file), join(dir, file));
  mkdirSync(join(dir, 'node_modules'));
  // A folder of its own, because the command is linked into it.
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== '.bin') symlinkSync(join(ROOT, 'node_modules', name), join(dir, 'node_modules', name));
  // Each test begins with a whole dist, and leaves one.
  expect(build().status).toBe(0);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function build(): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [join(dir, 'src/build/build.mjs')], { encoding: 'utf8' });
}

test('a reader finds a whole dist or none while it is built again, and no leftover folder after it', {
  tags: ['long'],
  timeout: 300_000,
}, async () => {
  const child = spawn(process.execPath, [join(dir, 'src/build/build.mjs')], { stdio: 'inherit' });
  const closed = once(child, 'close');
  let looks = 0;
  while (child.exitCode === null) {
    const present = existsSync(join(dir, 'dist'))
      ? FILES.filter((name) => existsSync(join(dir, 'dist', name)))
      : FILES;
    // The folder may be replaced between two looks: then what is missing is there at the next.
    const missing = FILES.filter((name) => !present.includes(name) && !existsSync(join(dir, 'dist', name)));
    expect(missing).toEqual([]);
    looks += 1;
    await turn();
  }
  await closed;
  expect(child.exitCode).toBe(0);
  expect(looks).toBeGreaterThan(100);
  expect(readdirSync(dir).filter((name) => name.startsWith('dist'))).toEqual(['dist']);
  expect(statSync(join(dir, 'dist/cli/main.js')).mode & 0o111).not.toBe(0);
});

test('a build that fails leaves dist as it was', () => {
  const before = readFileSync(join(dir, 'dist/errors.js'), 'utf8');
  const file = join(dir, 'src/errors.ts');
  const source = readFileSync(file, 'utf8');
  writeFileSync(file, `${source}\nexport const wrong: number = 'text';\n`);
  try {
    expect(build().status).not.toBe(0);
  } finally {
    writeFileSync(file, source);
  }
  expect(readFileSync(join(dir, 'dist/errors.js'), 'utf8')).toBe(before);
  expect(readdirSync(dir).filter((name) => name.startsWith('dist'))).toEqual(['dist']);
});

test('npx finds the command and does not build again', () => {
  const built = statSync(join(dir, 'dist')).ino;
  const prepare = (npmCommand: string): number | null =>
    spawnSync(process.execPath, [join(dir, 'src/build/prepare.mjs')], {
      env: { ...process.env, npm_command: npmCommand },
    }).status;
  expect(prepare('exec')).toBe(0);
  expect(statSync(join(dir, 'dist')).ino).toBe(built);
  const command = join(dir, 'node_modules/.bin/tasktrail');
  expect(spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(prepare('install')).toBe(0);
  expect(statSync(join(dir, 'dist')).ino).not.toBe(built);
});
