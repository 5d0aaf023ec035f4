import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../errors.ts';
import { makeNamedDirectory, readText } from '../system/durable.ts';
import { linkNew } from '../system/files/link-new.ts';
import { checkOwnFile } from '../system/files/own-file.ts';
import { writePrivateFile } from '../system/files/private-files.ts';
import { syncDirectory } from '../system/files/sync-directory.ts';
import { OWN_NAMES } from './layout.ts';

const KEY = /^[0-9a-f]{64}$/;

/** Without hard links a key is written in place: it is complete after a moment, and a damaged one never is. */
const READS_MAX = 20;
const READ_PAUSE_MS = 25;

/**
 * The key of a log directory, from `_key`: 32 random bytes in hex, readable to the owner alone. Undefined when there is
 * none yet. Throws `ERR_DIRECTORY_UNUSABLE` for a damaged file.
 */
export async function readTrailKey(logDir: string): Promise<string | undefined> {
  const path = join(logDir, OWN_NAMES.key);
  for (let reads = 1; ; reads += 1) {
    const text = (await readText(path))?.trimEnd();
    if (text === undefined || KEY.test(text)) return text;
    if (reads === READS_MAX) throw damaged(path);
    await delay(READ_PAUSE_MS);
  }
}

/** `readTrailKey`, after making the key where there is none. Of several processes that make one, the first wins. */
export async function ensureTrailKey(logDir: string): Promise<string> {
  for (;;) {
    const found = await readTrailKey(logDir);
    if (found !== undefined) return found;
    await checkOwnFile(join(logDir, OWN_NAMES.key), 'remove it, or set TASK_LOGS_KEY');
    await writeTrailKey(logDir, randomBytes(32).toString('hex'));
  }
}

/** Writes the key of a directory that has none, or has lost its own. A key that is there stays. */
export async function writeTrailKey(logDir: string, key: string): Promise<void> {
  await makeNamedDirectory(logDir);
  const path = join(logDir, OWN_NAMES.key);
  const temp = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await writePrivateFile(temp, `${key}\n`);
    await linkNew(temp, path);
    // What the key has signed must stay known after a power cut.
    await syncDirectory(logDir);
  } finally {
    await rm(temp, { force: true });
  }
}

function damaged(path: string): TasktrailError {
  return new TasktrailError(
    'ERR_DIRECTORY_UNUSABLE',
    `${path} is not a key of 64 hex digits: remove it, and the next start makes a new one (agents that run lose their access, and other machines need the new key)`,
  );
}
