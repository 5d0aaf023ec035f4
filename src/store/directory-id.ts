import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isPathSafeId } from '../model/ids.ts';
import { parseObject } from '../model/json.ts';
import { readText, replaceFile } from '../system/durable.ts';
import { OWN_NAMES } from './layout.ts';

/**
 * Id of a log directory, independent of its mount point and holder. Created on the first call; only the holder calls
 * this.
 */
export async function directoryId(logDir: string): Promise<string> {
  const path = join(logDir, OWN_NAMES.directory);
  const id = parseId(await readText(path));
  if (id !== undefined) return id;
  const created = { id: randomUUID(), created_at: new Date().toISOString() };
  await replaceFile(path, `${JSON.stringify(created)}\n`);
  return created.id;
}

/** Undefined when no process has held the directory yet. */
export async function readDirectoryId(logDir: string): Promise<string | undefined> {
  return parseId(await readText(join(logDir, OWN_NAMES.directory)));
}

function parseId(text: string | undefined): string | undefined {
  // A damaged id is replaced: tasks queued under the old id are closed as abandoned.
  const id = parseObject(text)?.id;
  return isPathSafeId(id) ? id : undefined;
}
