import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = resolve(import.meta.dirname, '..', '..');

/** The path of what the build makes of a source file, for child processes. `test/support/build.ts` builds before a run. */
export function built(source: string): string {
  if (!existsSync(resolve(ROOT, 'src', source))) throw new Error(`there is no src/${source}`);
  return resolve(ROOT, 'dist', source.replace(/\.ts$/, '.js'));
}

/** The same, for an `import` in a script. */
export function builtUrl(source: string): string {
  return pathToFileURL(built(source)).href;
}

/** The command line. */
export const MAIN: string = built('cli/main.ts');

/** The library's entry, for an `import` in a script. */
export const INDEX_URL: string = builtUrl('index.ts');
