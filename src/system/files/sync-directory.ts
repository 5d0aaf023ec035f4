import { fsync, fsyncSync } from 'node:fs';
import { promisify } from 'node:util';
import { errnoOf } from '../../errors.ts';
import { withDirectory, withDirectorySync } from '../descriptor.ts';

const syncFile = promisify(fsync);

/** Shares and FUSE file systems that cannot sync a directory keep its entries in their own way. */
const NO_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM', 'EISDIR']);

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await withDirectory(path, syncFile);
  } catch (error) {
    if (!NO_SYNC.has(errnoOf(error) ?? '')) throw error;
  }
}

/** `syncDirectory` without waiting for other work of this thread. */
export function syncDirectorySync(path: string): void {
  try {
    withDirectorySync(path, fsyncSync);
  } catch (error) {
    if (!NO_SYNC.has(errnoOf(error) ?? '')) throw error;
  }
}
