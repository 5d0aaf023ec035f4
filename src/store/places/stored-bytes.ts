import type { BigIntStats } from 'node:fs';
import { type FileHandle, lstat } from 'node:fs/promises';
import { type Line, readLines, splitLines } from '../../system/lines.ts';
import { gzipPath, inflate } from '../compress.ts';
import { isMissing } from '../file-errors.ts';
import { type NamedFile, openStored } from '../stored-file.ts';
import { inflateMember, type Member, readMembers } from './gzip-members.ts';

/** The content of a line file, plain or gzipped, from any byte on. */
export interface StoredBytes {
  /** Tells this file from another one in its place. */
  readonly identity: string;
  readonly isGzipped: boolean;
  /** Bytes of the content now; undefined for a file that another program has gzipped. */
  size(): Promise<number | undefined>;
  /** Lines from an offset at which one starts, in batches. Only one reading at a time of a file without members. */
  lines(from: number): AsyncGenerator<Line[]>;
  close(): Promise<void>;
}

/** Opens the plain file, else the gzipped one. Undefined without any; `ERR_STORE_UNAVAILABLE` when it cannot be opened. */
export async function openBytes({ path, what }: NamedFile): Promise<StoredBytes | undefined> {
  const plain = await openStored({ path, what });
  if (plain !== undefined) return plainBytes(plain.handle);
  const gzipped = await openStored({ path: gzipPath(path), what });
  if (gzipped !== undefined) return gzippedBytes(gzipped.handle);
  // The plain file may have been restored between the two attempts.
  const restored = await openStored({ path, what });
  return restored && plainBytes(restored.handle);
}

/** `identity` of the file that `openBytes` would open now; undefined without any. */
export async function pathIdentity(path: string): Promise<string | undefined> {
  for (const one of [path, gzipPath(path), path]) {
    const stats = await lstat(one, { bigint: true }).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (stats?.isFile() === true) return identityText(stats);
  }
  return undefined;
}

async function plainBytes(handle: FileHandle): Promise<StoredBytes> {
  return {
    identity: await identityOf(handle),
    isGzipped: false,
    size: async () => (await handle.stat()).size,
    lines: (from) => readLines(handle, { from }),
    close: () => handle.close(),
  };
}

async function gzippedBytes(handle: FileHandle): Promise<StoredBytes> {
  const members = await readMembers(handle, (await handle.stat()).size);
  const last = members?.at(-1);
  const cache: MemberCache = { start: -1, plain: Buffer.alloc(0) };
  return {
    identity: await identityOf(handle),
    isGzipped: true,
    size: async () => members && (last?.plainStart ?? 0) + (last?.plainBytes ?? 0),
    lines: (from) =>
      splitLines(members ? memberPieces({ handle, members, cache }, from) : skipTo(handle, from), { from }),
    close: () => handle.close(),
  };
}

/** The member that was inflated last: neighbouring windows are in the same one. */
interface MemberCache {
  start: number;
  plain: Buffer;
}

interface GzippedFile {
  readonly handle: FileHandle;
  readonly members: readonly Member[];
  readonly cache: MemberCache;
}

async function* memberPieces({ handle, members, cache }: GzippedFile, from: number): AsyncGenerator<Buffer> {
  for (const member of members) {
    if (member.plainStart + member.plainBytes <= from) continue;
    const plain = member.start === cache.start ? cache.plain : await inflateMember(handle, member);
    cache.start = member.start;
    cache.plain = plain;
    yield plain.subarray(Math.max(0, from - member.plainStart));
  }
}

/** A file of another program is inflated from its beginning. */
async function* skipTo(handle: FileHandle, from: number): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const piece of inflate(handle)) {
    if (at + piece.length > from) yield piece.subarray(Math.max(0, from - at));
    at += piece.length;
  }
}

async function identityOf(handle: FileHandle): Promise<string> {
  return identityText(await handle.stat({ bigint: true }));
}

/** The number of a removed file is used again: the time of making differs. */
function identityText({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${birthtimeNs}`;
}
