import { readFileSync } from 'node:fs';

const PACKAGE = new URL('../../package.json', import.meta.url);

/** The version of this package, from its package.json; `unknown` in a bundle, which has none or that of another program. */
export function readVersion(file: URL = PACKAGE): string {
  const { name, version } = readPackage(file);
  return name === 'tasktrail' && typeof version === 'string' ? version : 'unknown';
}

function readPackage(file: URL): { readonly name?: unknown; readonly version?: unknown } {
  try {
    return Object(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // ENOENT, or a SyntaxError: it is no package.json.
    return {};
  }
}
