import { closeSync, fsyncSync, rmSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { errnoOf } from '../../errors.ts';
import { withFile, writeWhole } from '../descriptor.ts';
import { fileMode } from './modes.ts';
import { openSafeSync } from './safe-open.ts';

/**
 * Makes a file under a name that only this process uses. What a killed process left under it (a process of the same
 * number, in a container) is removed; so is a link, whose target stays as it is.
 */
export async function writeNew(
  path: string,
  fill: (fd: number) => Promise<void>,
  mode: number = fileMode(),
): Promise<void> {
  try {
    await withFile(path, 'wx', fill, mode);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    await rm(path, { force: true });
    await withFile(path, 'wx', fill, mode);
  }
}

/** `writeNew` for a text. */
export async function writeNewText(path: string, text: string, mode?: number): Promise<void> {
  await writeNew(path, (fd) => writeWhole(fd, Buffer.from(text)), mode);
}

/** Writes a new private file. What a killed process left under this name is removed; a link is removed, not followed. */
export function writeNewSync(
  path: string,
  text: string,
  { isSynced = false }: { isSynced?: boolean } = {},
): void {
  const fd = createSync(path);
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    if (isSynced) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function createSync(path: string): number {
  try {
    return openSafeSync(path, 'wx');
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    rmSync(path, { force: true });
    return openSafeSync(path, 'wx');
  }
}
