import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = resolve(import.meta.dirname, '..', '..');

/** The path in `dist` of a compiled source file. `test/support/build.ts` builds before a test run. */
export function built(source: string): string {
  if (!existsSync(resolve(ROOT, 'src', source))) throw new Error(`there is no src/${source}`);
  return resolve(ROOT, 'dist', source.replace(/\.ts$/, '.js'));
}

/** The URL in `dist` of a compiled source file, for an `import` in a script. */
export function builtUrl(source: string): string {
  return pathToFileURL(built(source)).href;
}

/** The entry of the command line. */
export const MAIN: string = built('cli/main.ts');

/** The URL of the library's entry, for an `import` in a script. */
export const INDEX_URL: string = builtUrl('index.ts');
