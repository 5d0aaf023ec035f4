import { LRUCache } from 'lru-cache';
import { OffsetIndex } from '../../places/offset-index.ts';
import { extendIndex, INDEXED_BYTES, readOffsets } from '../../places/offsets-file.ts';
import type { StoredBytes } from '../../places/stored-bytes.ts';
import type { NamedFile } from '../../stored-file.ts';

/** Of all indexes in memory: four bytes a line, so thirty million lines. */
const BYTES_MAX = 128 * 1_048_576;

/** More bytes than a stored index is behind a file of 200 MB; they take some hundredths of a second. */
const SOON_BYTES_MAX = 16 * 1_048_576;

interface Known {
  readonly index: OffsetIndex;
  /** A file of another program has no size before it is read. */
  isWhole: boolean;
}

/** The indexes of the files that were read last. Each is read from its file, or made, and grows with it. */
export class Indexes {
  readonly #known = new LRUCache<string, Known>({
    maxSize: BYTES_MAX,
    sizeCalculation: ({ index }) => index.bytes,
  });
  /** By identity: two requests at once make one index. */
  readonly #making = new Map<string, Promise<OffsetIndex | undefined>>();
  /** Those that read a large part of their file. */
  readonly #building = new Map<string, Promise<OffsetIndex | undefined>>();

  /** The index of all whole lines that the file has now. */
  async of(file: NamedFile, bytes: StoredBytes): Promise<OffsetIndex> {
    for (;;) {
      const soon = await this.soon(file, bytes);
      if (soon !== undefined) return soon;
      const building = this.#building.get(bytes.identity);
      if (building !== undefined) {
        await building.catch(() => undefined);
        continue;
      }
      // One that is being made may add to the same index.
      const making = (this.#making.get(bytes.identity) ?? Promise.resolve()).catch(() => undefined);
      const built = making.then(() => this.#make(file, bytes, Number.POSITIVE_INFINITY));
      this.#building.set(bytes.identity, built);
      const index = await built.finally(() => this.#building.delete(bytes.identity));
      if (index !== undefined) return index;
    }
  }

  /** `of`, when it is at hand or soon made. Undefined when a large part of the file would have to be read. */
  async soon(file: NamedFile, bytes: StoredBytes): Promise<OffsetIndex | undefined> {
    for (;;) {
      const making = this.#making.get(bytes.identity);
      if (making === undefined) break;
      await making.catch(() => undefined);
    }
    if (this.#building.has(bytes.identity)) return undefined;
    const made = this.#make(file, bytes, SOON_BYTES_MAX);
    this.#making.set(bytes.identity, made);
    return made.finally(() => this.#making.delete(bytes.identity));
  }

  /** Undefined when more bytes than `bytesMax` are to be read. */
  async #make(file: NamedFile, bytes: StoredBytes, bytesMax: number): Promise<OffsetIndex | undefined> {
    const size = await bytes.size();
    let known = this.#known.get(bytes.identity);
    // Cut by another program.
    if (known !== undefined && size !== undefined && known.index.size > size) known = undefined;
    if (known === undefined) {
      const isLarge = size === undefined || size >= INDEXED_BYTES;
      const stored = isLarge
        ? await readOffsets(file, bytes.identity, size ?? Number.MAX_SAFE_INTEGER)
        : undefined;
      known = { index: stored ?? new OffsetIndex(), isWhole: false };
    }
    const { index } = known;
    if (size === undefined ? !known.isWhole : index.size < size) {
      if ((size ?? Number.POSITIVE_INFINITY) - index.size > bytesMax) return undefined;
      await extendIndex(index, bytes);
      known.isWhole = bytes.isGzipped;
    }
    // Also for one that has grown: the cache adds up the bytes when it is set.
    this.#known.delete(bytes.identity);
    this.#known.set(bytes.identity, known);
    return index;
  }
}
