import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const TEMP_MARK = '.tmp';

/** Whether a name is one of our unfinished files; recovery removes those. */
export function isTempName(name: string): boolean {
  return name.startsWith('.') && name.endsWith(TEMP_MARK);
}

/**
 * Replaces a file whole: readers see the old content or the new, also after a power cut. Written beside its target,
 * synced, renamed, and the directory synced. When it throws, the old content is in place.
 */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const temp = join(dirname(path), `.${basename(path)}.${process.pid}${TEMP_MARK}`);
  try {
    const handle = await open(temp, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes a directory, and its name in its parent as durable as what will be in it. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first !== undefined) await syncDirectory(dirname(first));
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
