import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { openSafeHandle } from '../../system/files/safe-open.ts';

/** Runs `work` on a copy of some entries of a directory, which is removed afterwards. */
export async function onCopy<T>(
  dir: string,
  wants: (name: string) => boolean,
  work: (copy: string) => Promise<T>,
): Promise<T> {
  const copy = await mkdtemp(join(tmpdir(), 'tasktrail-rebuild-'));
  try {
    for (const name of await readdir(dir).catch(() => []))
      if (wants(name))
        await cp(join(dir, name), join(copy, name), { recursive: true, preserveTimestamps: true });
    return await work(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** SHA-256 of each file below a directory, by relative path. */
export async function sumsIn(
  dir: string,
  wants: (name: string) => boolean,
): Promise<ReadonlyMap<string, string>> {
  const sums = new Map<string, string>();
  for (const name of await readdir(dir).catch(() => [])) {
    if (!wants(name)) continue;
    for (const path of await filesAt(join(dir, name))) sums.set(relative(dir, path), await sumOf(path));
  }
  return sums;
}

/** Paths whose content differs, is new or is gone. */
export function differences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path)).sort();
}

async function filesAt(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true }).catch(() => undefined);
  if (entries === undefined) return [path];
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

async function sumOf(path: string): Promise<string> {
  const file = await openSafeHandle(path, 'r');
  try {
    const hash = createHash('sha256');
    for await (const piece of file.createReadStream({ autoClose: false })) hash.update(piece as Buffer);
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}
