import { fileURLToPath } from 'node:url';

/** The program itself, for processes of its own. Stands beside `main.ts`, as the bundle of `emit` does. */
export function mainFile(): string {
  return fileURLToPath(new URL('main.js', import.meta.url));
}
