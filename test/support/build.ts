import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const DONE = Symbol.for('tasktrail.built');

/** Builds `dist` before a test run, because tests start child processes from it. */
export function setup(): void {
  // Vitest calls this once per project.
  if (Reflect.get(globalThis, DONE) === true) return;
  Reflect.set(globalThis, DONE, true);
  const script = resolve(import.meta.dirname, '../../src/build/build.mjs');
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`the build failed with exit code ${status}`);
}
