import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { writeWhole } from '../../system/descriptor.ts';
import { PRIVATE_FILE } from '../../system/files/modes.ts';
import { writeNew } from '../../system/files/new-file.ts';
import { PROBE } from './name-guard.ts';

/** A disk that is full may still take single blocks. */
const PROBE_BYTES = 256 * 1024;

/** Throws when a directory takes no new file. One that does not exist yet is made with its first file. */
export async function probeDisk(dir: string): Promise<void> {
  // When this process is killed meanwhile, the next start removes it.
  const path = join(dir, `${PROBE}disk-${process.pid}`);
  try {
    await writeNew(path, (fd) => writeWhole(fd, Buffer.alloc(PROBE_BYTES)), PRIVATE_FILE);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}
