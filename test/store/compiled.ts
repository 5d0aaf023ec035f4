import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';

let dir: string | undefined;

/** The sources as JavaScript, for child processes; inside the checkout, where they find the packages. */
export function compiledStore(): string {
  if (dir === undefined) {
    mkdirSync('.cache', { recursive: true });
    dir = resolve(mkdtempSync(join('.cache', 'store-test-')));
    const compiler = resolve('node_modules', 'typescript', 'bin', 'tsc');
    // Whether the types are right is for another check to say: files come out all the same.
    spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', dir]);
  }
  return dir;
}

afterAll(() => {
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});
