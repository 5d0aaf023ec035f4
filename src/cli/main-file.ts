import { fileURLToPath } from 'node:url';

/** The path of the program, to start it as another process. The bundle of `emit` is in the same folder. */
export function mainFile(): string {
  return fileURLToPath(new URL('main.js', import.meta.url));
}
