import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const DONE = Symbol.for('tasktrail.built');

/** Before the tests of a run: child processes execute `dist`, which has to be made of the present sources. */
export function setup(): void {
  // Each project of the run comes by here.
  if (Reflect.get(globalThis, DONE) === true) return;
  Reflect.set(globalThis, DONE, true);
  const script = resolve(import.meta.dirname, '../../src/build/build.mjs');
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`the build ended with ${status}`);
}
