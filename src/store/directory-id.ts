import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isPathSafeId } from '../model/ids.ts';
import { parseObject } from '../model/json.ts';
import { readText, replaceFile } from '../system/durable.ts';
import { OWN_NAMES } from './layout.ts';

/**
 * What a log directory is called, wherever it is mounted and whoever holds it; made when it is first asked for. Only the
 * holder asks.
 */
export async function directoryId(logDir: string): Promise<string> {
  const path = join(logDir, OWN_NAMES.directory);
  const known = idIn(await readText(path));
  if (known !== undefined) return known;
  const id = randomUUID();
  await replaceFile(path, `${JSON.stringify({ id, created_at: new Date().toISOString() })}\n`);
  return id;
}

function idIn(text: string | undefined): string | undefined {
  // Damaged by hand: it gets a new one, and tasks that were queued under the old one are closed as abandoned.
  const id = parseObject(text)?.id;
  return isPathSafeId(id) ? id : undefined;
}
