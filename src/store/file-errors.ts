import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { isNoFile } from '../system/files/safe-open.ts';

/** The path does not exist, is a symbolic link that is not followed, or is not a regular file. */
const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EISDIR']);

/** The process or the system is out of descriptors or memory: the same read works later. */
const TRANSIENT = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN']);

export function isMissing(error: unknown): boolean {
  return MISSING.has(errnoOf(error) ?? '');
}

/** Names the failed read and the errno. The message leaves out the path, which clients must not see. */
export function unreadable(what: string, error: unknown): TasktrailError {
  const errno = isNoFile(error) ? messageOf(error) : (errnoOf(error) ?? 'unknown error');
  return new TasktrailError('ERR_STORE_UNAVAILABLE', `${what} cannot be read: ${errno}`, {
    cause: error,
    retryable: TRANSIENT.has(errno),
  });
}

/**
 * The result, or undefined when it cannot be read: one bad file in a list is left out, and all others are shown. A lack
 * of descriptors or memory concerns every file and stays an error.
 */
export async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof TasktrailError && !error.retryable) return undefined;
    throw error;
  }
}
