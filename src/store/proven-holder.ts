import { trailTokenOf } from '../model/trail-token.ts';
import { readTrailKey } from './key.ts';
import { findHolder, isSigned, type LockRecord } from './lock.ts';

/** The holder of a log directory, as far as its lock file can be trusted. */
export type HolderProof =
  /** No living process holds the directory. */
  | { readonly state: 'absent' }
  /** The lock file is not signed with the key: nothing may be sent to its address. */
  | { readonly state: 'unproven'; readonly holder: LockRecord; readonly reason: string }
  /** The holder wrote the lock file. `token` proves this process to it. */
  | {
      readonly state: 'proven';
      readonly holder: LockRecord;
      readonly key: string;
      readonly token: string;
    };

/**
 * Finds the holder and checks the signature of its lock file. `key` comes from the configuration; default: that of the
 * directory. Call it before each request to the holder: an address that was proven earlier may belong to another process
 * now. Throws when the key or the lock cannot be read.
 */
export async function proveHolder(logDir: string, key: string | undefined): Promise<HolderProof> {
  const holder = await findHolder(logDir);
  if (holder === undefined) return { state: 'absent' };
  const known = key ?? (await readTrailKey(logDir));
  const reason = known === undefined ? NO_KEY : refusalOf(known, holder, key !== undefined);
  if (known === undefined || reason !== undefined)
    return { state: 'unproven', holder, reason: `process ${holder.pid} on ${holder.host}: ${reason}` };
  return { state: 'proven', holder, key: known, token: trailTokenOf(known) };
}

const NO_KEY =
  'the log directory has no _key, so its lock file cannot be checked: restart the process that holds it';

function refusalOf(key: string, holder: LockRecord, isShared: boolean): string | undefined {
  if (isSigned(holder, key)) return undefined;
  if (holder.mac === undefined)
    return 'its _lock.json is not signed, because an older tasktrail wrote it or it was changed: restart the process that holds the directory';
  return isShared
    ? 'its _lock.json is signed with another key, or was changed: give it the same TASK_LOGS_KEY, and restart it'
    : 'its _lock.json is signed with another key, or was changed: restart the process that holds the directory';
}
