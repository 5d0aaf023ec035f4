import { join } from 'node:path';
import { z } from 'zod';
import { SCHEMA_VERSION } from '../../model/documents.ts';
import { parseObject } from '../../model/json.ts';
import { readText, replaceFile } from '../../system/durable.ts';
import type { Mark } from '../candidate.ts';
import { notifyDir } from './read-outbox.ts';

/** JSON: up to where the documents of the log directory have been looked at. No receiver's name begins with `_`. */
export const MARK_FILE = '_mark.json';

const schema = z.object({
  at: z.iso.datetime(),
  feed: z.string().min(1).max(500).nullable(),
});

/** Undefined without a file, and for a damaged one. */
export async function readMark(logDir: string): Promise<Mark | undefined> {
  const parsed = schema.safeParse(parseObject(await readText(join(notifyDir(logDir), MARK_FILE))));
  if (!parsed.success) return undefined;
  return { at: parsed.data.at, feed: parsed.data.feed ?? undefined };
}

/** Durable when it resolves. */
export async function writeMark(logDir: string, { at, feed }: Mark): Promise<void> {
  const text = JSON.stringify({ at, feed: feed ?? null, schema_version: SCHEMA_VERSION });
  await replaceFile(join(notifyDir(logDir), MARK_FILE), `${text}\n`);
}
