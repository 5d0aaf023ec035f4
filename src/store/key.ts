import { randomBytes } from 'node:crypto';
import { link, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, TasktrailError } from '../errors.ts';
import { makeNamedDirectory, readText } from '../system/durable.ts';
import { PRIVATE_FILE } from '../system/files/modes.ts';
import { openSafeHandle } from '../system/files/safe-open.ts';
import { lstatIfPresent } from '../system/optional-files.ts';
import { OWN_NAMES } from './layout.ts';

const KEY = /^[0-9a-f]{64}$/;

/**
 * The key of a log directory, from `_key`: 32 random bytes in hex, readable to the owner alone. Undefined when there is
 * none yet. Throws `ERR_DIRECTORY_UNUSABLE` for a damaged file.
 */
export async function readTrailKey(logDir: string): Promise<string | undefined> {
  const path = join(logDir, OWN_NAMES.key);
  const text = (await readText(path))?.trimEnd();
  if (text === undefined || KEY.test(text)) return text;
  throw new TasktrailError(
    'ERR_DIRECTORY_UNUSABLE',
    `${path} is not a key of 64 hex digits: remove it, and a new one is made (running agents lose their access)`,
  );
}

/** Throws for a link or a folder in place of the key, which counts as no key and would never be made. */
async function checkReplaceable(path: string): Promise<void> {
  const stats = await lstatIfPresent(path);
  if (stats === undefined || stats.isFile()) return;
  throw new TasktrailError(
    'ERR_DIRECTORY_UNUSABLE',
    `${path} is not a file of its own: remove it, or set TASK_LOGS_KEY`,
  );
}

/** `readTrailKey`, after making the key where there is none. Of several processes that make one, the first wins. */
export async function ensureTrailKey(logDir: string): Promise<string> {
  await makeNamedDirectory(logDir);
  const path = join(logDir, OWN_NAMES.key);
  for (;;) {
    const found = await readTrailKey(logDir);
    if (found !== undefined) return found;
    await checkReplaceable(path);
    const temp = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
    try {
      const file = await openSafeHandle(temp, 'wx', PRIVATE_FILE);
      try {
        await file.writeFile(`${randomBytes(32).toString('hex')}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await link(temp, path);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    } finally {
      await rm(temp, { force: true });
    }
  }
}
