import type { BigIntStats } from 'node:fs';
import { type FileHandle, lstat } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { type Line, splitLines } from '../../system/lines.ts';
import { gzipPath, inflate } from '../compress.ts';
import { isMissing } from '../file-errors.ts';
import { type NamedFile, openStored } from '../stored-file.ts';
import { filePieces, growingPieces } from './file-pieces.ts';
import { inflateMember, type Member, readMembers } from './gzip-members.ts';

/** The content of a line file, plain or gzipped, from any byte on. */
export interface StoredBytes {
  /** Tells this file from another one in its place. */
  readonly identity: string;
  readonly isGzipped: boolean;
  /** Bytes of the content now; undefined for a file that another program has gzipped. */
  size(): Promise<number | undefined>;
  /** The content from an offset on. A piece is valid until the next one is asked for. */
  pieces(from: number): AsyncGenerator<Buffer>;
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
    pieces: (from) => filePieces(handle, from),
    lines: (from) => splitLines(filePieces(handle, from), { from }),
    close: () => handle.close(),
  };
}

async function gzippedBytes(handle: FileHandle): Promise<StoredBytes> {
  const stats = await handle.stat({ bigint: true });
  const identity = identityText(stats);
  const members = await membersOf(handle, stats);
  const last = members?.at(-1);
  const cache: MemberCache = { start: -1, plain: Buffer.alloc(0) };
  const whole = new WholeGzip(handle);
  const pieces = (from: number): AsyncGenerator<Buffer> =>
    members ? memberPieces({ handle, members, cache }, from) : whole.pieces(from);
  return {
    identity,
    isGzipped: true,
    size: async () => members && (last?.plainStart ?? 0) + (last?.plainBytes ?? 0),
    pieces,
    lines: (from) => splitLines(pieces(from), { from }),
    close: async () => {
      await whole.close();
      await handle.close();
    },
  };
}

/** Of so many members the places are kept: those of 25 GB of content. */
const MEMBERS_MAX = 100_000;

/** The members of the files that were opened last: a file has some hundreds, which are found one after the other. */
const knownMembers = new LRUCache<string, readonly Member[]>({
  maxSize: MEMBERS_MAX,
  sizeCalculation: ({ length }) => length + 1,
});

async function membersOf(handle: FileHandle, stats: BigIntStats): Promise<readonly Member[] | undefined> {
  const key = `${identityText(stats)}:${stats.size}:${stats.mtimeNs}`;
  const known = knownMembers.get(key);
  if (known !== undefined) return known;
  const members = await readMembers(handle, Number(stats.size));
  if (members !== undefined) knownMembers.set(key, members);
  return members;
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
    yield* growingPieces(plain.subarray(Math.max(0, from - member.plainStart)));
  }
}

/**
 * A file that another program has gzipped can only be inflated from its beginning. A reading that goes on where the last one
 * stopped does not begin again.
 */
class WholeGzip {
  readonly #handle: FileHandle;
  /** The last reading: its next piece starts at `at`, and its last one is kept, since a line may start in it. */
  #stopped: Inflating | undefined;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async *pieces(from: number): AsyncGenerator<Buffer> {
    const inflating = await this.#take(from);
    try {
      const { last } = inflating;
      const kept = inflating.at - last.length;
      if (from < inflating.at) yield last.subarray(Math.max(0, from - kept));
      for (;;) {
        const { value, done } = await inflating.source.next();
        if (done === true) return;
        inflating.last = value;
        inflating.at += value.length;
        if (inflating.at > from) yield value.subarray(Math.max(0, from - (inflating.at - value.length)));
      }
    } finally {
      // Another reading may have stopped meanwhile.
      const other = this.#stopped;
      this.#stopped = inflating;
      await other?.source.return(undefined);
    }
  }

  async close(): Promise<void> {
    const stopped = this.#stopped;
    this.#stopped = undefined;
    await stopped?.source.return(undefined);
  }

  async #take(from: number): Promise<Inflating> {
    const stopped = this.#stopped;
    this.#stopped = undefined;
    if (stopped !== undefined && from >= stopped.at - stopped.last.length) return stopped;
    await stopped?.source.return(undefined);
    return { source: inflate(this.#handle), at: 0, last: Buffer.alloc(0) };
  }
}

interface Inflating {
  readonly source: AsyncGenerator<Buffer>;
  at: number;
  last: Buffer;
}

async function identityOf(handle: FileHandle): Promise<string> {
  return identityText(await handle.stat({ bigint: true }));
}

/** The number of a removed file is used again: the time of making differs. */
function identityText({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${birthtimeNs}`;
}
