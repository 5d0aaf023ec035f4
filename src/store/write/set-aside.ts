import { rename } from 'node:fs/promises';
import { basename } from 'node:path';
import { canonicalJson } from '../../model/canonical-json.ts';
import { isNewer } from '../../model/documents.ts';
import { parseObject } from '../../model/json.ts';
import { lstatIfPresent } from '../../system/files/optional-files.ts';
import { checkLease } from '../../system/lease-guard.ts';

/**
 * Keeps a damaged document beside its replacement: it may hold what nothing else says. One that is
 * whole, or that `text` repeats, is replaced.
 */
export async function setAside(path: string, before: string | undefined, text: string): Promise<void> {
  if (before === undefined || parseObject(before) !== undefined) return;
  const legible = before.replaceAll('\0', '').trim();
  if (legible === '' || text.includes(legible)) return;
  for (let number = 1; ; number += 1) {
    const aside = `${path}.damaged-${number}`;
    if ((await lstatIfPresent(aside)) !== undefined) continue;
    checkLease();
    await rename(path, aside);
    return;
  }
}

/** Whether a document on disk needs no writing. One of a newer version may have its fields in another order. */
export function isSameDocument(text: string | undefined, stored: string | undefined): boolean {
  if (text === stored) return true;
  const written = parseObject(stored);
  if (written === undefined || !isNewer(written)) return false;
  const next = parseObject(text);
  return next !== undefined && canonicalJson(next) === canonicalJson(written);
}

/** Whether `name` is that of a document of `path` that was kept. */
export function isAsideOf(name: string, path: string): boolean {
  const prefix = `${basename(path)}.damaged-`;
  return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
}
