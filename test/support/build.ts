import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

/** Before the tests of a run: child processes execute `dist`, which has to be made of the present sources. */
export function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build'], {
    cwd: resolve(import.meta.dirname, '..', '..'),
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
}
