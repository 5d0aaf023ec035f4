import { createRequire } from 'node:module';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';

/** Packages that are of use only together. */
const TOGETHER: Readonly<Record<string, string>> = { bullmq: 'bullmq ioredis' };

/**
 * Imports an optional peer dependency, or a module that imports it. Throws `ERR_NOT_CONFIGURED` with the command to run
 * when exactly that package is missing; every other error passes unchanged: a missing dependency of the package, or a
 * module that throws while it is evaluated, is a different defect with a different fix.
 *
 * @param neededBy the command or setting that uses the package, as the user knows it
 */
export async function loadOptional<T>(
  name: string,
  importer: () => Promise<T>,
  neededBy: string,
): Promise<T> {
  try {
    return await importer();
  } catch (error) {
    throw isMissing(name, error) ? notInstalled(name, neededBy, error) : error;
  }
}

/** The same error as `loadOptional`, before the package is used: a start fails with it, not the first use days later. */
export function requireInstalled(name: string, neededBy: string): void {
  const { url }: { readonly url?: string } = import.meta;
  // A bundle of the CommonJS format: its packages are in it.
  if (url === undefined) return;
  try {
    createRequire(url).resolve(name);
  } catch (error) {
    throw errnoOf(error) === 'MODULE_NOT_FOUND' ? notInstalled(name, neededBy, error) : error;
  }
}

function notInstalled(name: string, neededBy: string, cause: unknown): TasktrailError {
  const install = `npm install ${TOGETHER[name] ?? name}`;
  return new TasktrailError(
    'ERR_NOT_CONFIGURED',
    `${neededBy} needs the package ${name}, which is not installed: run "${install}" where tasktrail is installed (with -g if it is installed globally)`,
    { cause },
  );
}

/** Node gives the name of the package only in the text of the error. */
function isMissing(name: string, error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_MODULE_NOT_FOUND') return false;
  return messageOf(error).startsWith(`Cannot find package '${name}' imported from `);
}
