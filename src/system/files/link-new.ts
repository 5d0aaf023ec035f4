import { link, stat } from 'node:fs/promises';
import { errnoOf } from '../../errors.ts';
import { withFile, writeWhole } from '../descriptor.ts';
import { readText } from '../durable.ts';

/** FAT, exFAT, and many shares and FUSE file systems have no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']);

/**
 * Gives a complete file a further, new name. False when the name exists: of several processes exactly one succeeds. Without
 * hard links the new file is a copy, which is not complete at once.
 */
export async function linkNew(temp: string, path: string): Promise<boolean> {
  try {
    await link(temp, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    if (NO_LINKS.has(errnoOf(error) ?? '')) return copyNew(temp, path);
    throw error;
  }
}

/**
 * `linkNew` without hard links: exclusive creation, which lets exactly one process succeed as well. The file is not
 * complete at once; until it is, the others respect it like every lock with invalid content.
 */
async function copyNew(temp: string, path: string): Promise<boolean> {
  const text = (await readText(temp)) ?? '';
  const { mode } = await stat(temp);
  try {
    await withFile(path, 'wx', (fd) => writeWhole(fd, Buffer.from(text)), mode & 0o777);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}
