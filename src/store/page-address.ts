import { join } from 'node:path';
import { parseObject } from '../model/json.ts';
import { isAnyOf } from '../model/secret.ts';
import { macOf } from '../model/trail-token.ts';
import { readText } from '../system/durable.ts';
import { replacePrivateFile } from '../system/files/private-files.ts';
import { ownIdentity, type ProcessIdentity } from '../system/process-identity.ts';
import { OWN_NAMES } from './layout.ts';
import { findHolder } from './lock.ts';

/** `_page.json`: where the service that holds the directory answers, signed with the key of the directory. */
export async function writePageAddress(logDir: string, key: string, url: string): Promise<void> {
  const { host, pid, start } = ownIdentity();
  const record = { schema_version: 1, host, pid, start, url };
  const mac = macOf(key, textOf(record, url));
  await replacePrivateFile(join(logDir, OWN_NAMES.page), `${JSON.stringify({ ...record, mac })}\n`);
}

/**
 * The base address of the service that holds the directory now. Undefined when none does, when its holder has no HTTP
 * server, and for a file that another process left or changed: a person types the token into what opens there.
 */
export async function readPageAddress(logDir: string, key: string): Promise<string | undefined> {
  const holder = await findHolder(logDir);
  const { url, mac } = parseObject((await readText(join(logDir, OWN_NAMES.page))) ?? '') ?? {};
  if (holder === undefined || typeof url !== 'string' || typeof mac !== 'string') return undefined;
  if (!isAnyOf([macOf(key, textOf(holder, url))], mac)) return undefined;
  return /^https?:\/\//.test(url) && URL.canParse(url) ? url : undefined;
}

function textOf({ host, pid, start }: ProcessIdentity, url: string): string {
  return JSON.stringify(['page', host, pid, start, url]);
}
