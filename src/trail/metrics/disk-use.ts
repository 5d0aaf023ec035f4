import { lstat, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { journalDir } from '../../journal/lone-record.ts';
import type { JsonObject } from '../../model/json.ts';

/** Segments are looked at one after the other; more than these wait for an endpoint that is away for weeks. */
const SEGMENTS_MAX = 10_000;

/** The disk of the log directory, in bytes. Null where it cannot be read, or is not there yet. */
export async function readDiskUse({
  logDir,
  enabled,
}: Pick<Config, 'logDir' | 'enabled'>): Promise<JsonObject | null> {
  if (!enabled) return null;
  try {
    const { bavail, blocks, bsize } = await statfs(logDir);
    return {
      path: logDir,
      free_bytes: bavail * bsize,
      bytes: blocks * bsize,
      journal_bytes: await sizeOf(journalDir(logDir)),
    };
  } catch {
    // What is wrong with it stands in the reasons.
    return null;
  }
}

/** Of the files in a directory; null when it cannot be read. */
async function sizeOf(dir: string): Promise<number | null> {
  try {
    let bytes = 0;
    for (const name of (await readdir(dir)).slice(0, SEGMENTS_MAX))
      bytes += (await lstat(join(dir, name)).catch(() => undefined))?.size ?? 0;
    return bytes;
  } catch (error) {
    // Without records there is no journal.
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 0 : null;
  }
}
