import { messageOf, TasktrailError } from '../errors.ts';

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
    if (!isMissing(name, error)) throw error;
    throw new TasktrailError(
      'ERR_NOT_CONFIGURED',
      `${neededBy} needs the package ${name}, which is not installed: run "npm install ${name}" where tasktrail is installed (with -g if it is installed globally)`,
      { cause: error },
    );
  }
}

/** Node gives the name of the package only in the text of the error. */
function isMissing(name: string, error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_MODULE_NOT_FOUND') return false;
  return messageOf(error).startsWith(`Cannot find package '${name}' imported from `);
}
