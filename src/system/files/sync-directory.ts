import { fsync, fsyncSync } from 'node:fs';
import { promisify } from 'node:util';
import { errnoOf } from '../../errors.ts';
import { withDirectory, withDirectorySync } from '../descriptor.ts';

const syncFile = promisify(fsync);

/** Shares and FUSE file systems that cannot sync a directory keep its entries in their own way. */
const NO_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM', 'EISDIR']);

interface Syncs {
  readonly running: Promise<void>;
  /** The one after it, for names that were made meanwhile. */
  next: Promise<void> | undefined;
}

/** Directories whose last sync is known: those to which files are added at the moment. */
const KNOWN_MAX = 1_000;

let moment = 0;
/** By path: when the last successful sync began. */
const synced = new Map<string, number>();

/** By path. */
const syncs = new Map<string, Syncs>();

/**
 * Makes the names in a directory durable. Calls that come while a sync of the same directory runs share the next one. When
 * the running one fails they fail as well: a later sync of the kernel says nothing about what an earlier one has lost.
 */
export function syncDirectory(path: string): Promise<void> {
  const current = syncs.get(path);
  if (current === undefined) return startSync(path);
  current.next ??= current.running.then(() => startSync(path));
  return current.next;
}

function startSync(path: string): Promise<void> {
  const running = sync(path);
  const own: Syncs = { running, next: undefined };
  syncs.set(path, own);
  const forget = (): void => {
    if (syncs.get(path) === own) syncs.delete(path);
  };
  running.then(forget, forget);
  return running;
}

/** For `wasSyncedSince`. Later ones are higher. */
export function syncMoment(): number {
  moment += 1;
  return moment;
}

/** Whether a sync of the directory began after that moment and has succeeded: names that were made before are durable. */
export function wasSyncedSince(path: string, since: number): boolean {
  return (synced.get(path) ?? 0) > since;
}

function noteSynced(path: string, began: number): void {
  // Deleted first, so that the first one is the oldest.
  synced.delete(path);
  synced.set(path, began);
  for (const oldest of synced.keys()) {
    if (synced.size <= KNOWN_MAX) return;
    synced.delete(oldest);
  }
}

async function sync(path: string): Promise<void> {
  const began = syncMoment();
  try {
    await withDirectory(path, syncFile);
  } catch (error) {
    synced.delete(path);
    if (!NO_SYNC.has(errnoOf(error) ?? '')) throw error;
  }
  noteSynced(path, began);
}

/** `syncDirectory` without waiting for other work of this thread. */
export function syncDirectorySync(path: string): void {
  try {
    withDirectorySync(path, fsyncSync);
  } catch (error) {
    if (!NO_SYNC.has(errnoOf(error) ?? '')) throw error;
  }
}
