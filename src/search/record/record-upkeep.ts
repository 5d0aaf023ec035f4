import { TasktrailError } from '../../errors.ts';
import { TaskWords } from '../text/task-words.ts';
import { RECORD_KINDS, type RecordFiles, type RecordKind } from './record-files.ts';
import { type IndexedRecord, type KnownSource, type RecordIndex, versionOf } from './record-index.ts';
import type { RecordSource, SearchedRecord } from './searched-record.ts';

/** Records of one transaction. */
const BATCH = 512;

/** Sources of one transaction. */
const SOURCES = 256;

/** How the keeper writes: in one transaction. */
export type WriteRecords = (write: (index: RecordIndex) => void) => void;

/** Keeps the workflows and deliveries of an index as their files are. */
export class RecordUpkeep {
  readonly #files: RecordFiles;
  /** Names of what was written, and keys of sources that may have changed. */
  readonly #noted: Readonly<Record<RecordKind, Set<string>>> = { workflow: new Set(), delivery: new Set() };
  readonly #waiting: Readonly<Record<RecordKind, Set<string>>> = { workflow: new Set(), delivery: new Set() };

  constructor(files: RecordFiles) {
    this.#files = files;
  }

  get waiting(): number {
    return RECORD_KINDS.reduce((sum, kind) => sum + this.#noted[kind].size + this.#waiting[kind].size, 0);
  }

  /** A workflow, or a delivery of this day, was written or removed. */
  note(kind: RecordKind, name: string): void {
    this.#noted[kind].add(name);
  }

  /** Looks for sources that are new, gone or, with `isDeep`, changed. */
  async sweep(index: RecordIndex, isDeep: boolean): Promise<void> {
    for (const kind of RECORD_KINDS) {
      const known = index.sources(kind);
      for (const key of await this.#files.keys(kind)) {
        const before = known.get(key);
        known.delete(key);
        const isLooked = isDeep || kind === 'delivery';
        if (before === undefined || (isLooked && !(await this.#isSame(kind, key, before))))
          this.#waiting[kind].add(key);
      }
      for (const key of known.keys()) this.#waiting[kind].add(key);
    }
  }

  /** Reads and writes a part of what waits. */
  async step(write: WriteRecords, index: RecordIndex): Promise<void> {
    for (const kind of RECORD_KINDS) {
      for (const name of this.#noted[kind]) {
        this.#noted[kind].delete(name);
        const key = await this.#files.keyOf(kind, name);
        if (key !== undefined) this.#waiting[kind].add(key);
      }
    }
    const keys = RECORD_KINDS.flatMap((kind) => [...this.#waiting[kind]].map((key) => ({ kind, key }))).slice(
      0,
      SOURCES,
    );
    // Before they are read: what changes meanwhile is noted again.
    for (const { kind, key } of keys) this.#waiting[kind].delete(key);
    try {
      const small: { kind: RecordKind; source: RecordSource; records: readonly IndexedRecord[] }[] = [];
      const gone: { kind: RecordKind; key: string }[] = [];
      for (const { kind, key } of keys) {
        const source = await this.#files.source(kind, key);
        if (source === undefined) gone.push({ kind, key });
        else if (kind === 'workflow') small.push({ kind, source, records: await this.#readAll(kind, key) });
        else await this.#readOn(kind, source, { write, index });
      }
      write((to) => {
        for (const { kind, key } of gone) to.remove(kind, key);
        for (const { kind, source, records } of small) {
          to.remove(kind, source.key);
          const number = to.putSource(kind, source, source.size);
          for (const record of records) to.add(kind, number, record);
        }
      });
    } catch (error) {
      for (const { kind, key } of keys) this.#waiting[kind].add(key);
      throw error;
    }
  }

  /** Whether the last record still stands where it stood. */
  async #hasLast(
    kind: RecordKind,
    source: string,
    last: { readonly id: string; readonly place: number } | undefined,
  ): Promise<boolean> {
    return last === undefined || (await this.#files.read(kind, { ...last, source })) !== undefined;
  }

  async #isSame(kind: RecordKind, key: string, known: KnownSource): Promise<boolean> {
    const source = await this.#files.source(kind, key);
    return source !== undefined && versionOf(source.version) === known.version;
  }

  async #readAll(kind: RecordKind, key: string): Promise<readonly IndexedRecord[]> {
    const found: IndexedRecord[] = [];
    try {
      for await (const { records } of this.#files.parts(kind, key, 0))
        found.push(...(await withWords(records)));
    } catch (error) {
      // One that cannot be read does not keep the others out of the index.
      if (error instanceof TasktrailError && error.retryable) throw error;
    }
    return found;
  }

  /** A file that has grown is read from where it ended; another one, and one that was changed in place, from its beginning. */
  async #readOn(
    kind: RecordKind,
    source: RecordSource,
    { write, index }: { readonly write: WriteRecords; readonly index: RecordIndex },
  ): Promise<void> {
    const known = index.source(kind, source.key);
    const isGrown =
      known !== undefined &&
      known.inode === source.inode &&
      known.size < source.size &&
      known.end <= source.size &&
      (await this.#hasLast(kind, source.key, index.last(known.number)));
    let isFirst = !isGrown;
    let batch: IndexedRecord[] = [];
    let end = isGrown ? known.end : 0;
    const put = (version: RecordSource): void => {
      const records = batch;
      batch = [];
      write((to) => {
        if (isFirst) to.remove(kind, source.key);
        isFirst = false;
        const number = to.putSource(kind, version, end);
        for (const record of records) to.add(kind, number, record);
      });
    };
    for await (const part of this.#files.parts(kind, source.key, end)) {
      batch.push(...(await withWords(part.records)));
      end = part.end;
      // With the version of no file: one that is left half-way is read on.
      if (batch.length >= BATCH) put({ ...source, version: '', size: end });
    }
    put(source);
  }
}

async function withWords(records: readonly SearchedRecord[]): Promise<readonly IndexedRecord[]> {
  const found: IndexedRecord[] = [];
  for (const record of records) {
    const words = new TaskWords();
    for (const text of await record.texts()) await words.add(text);
    found.push({ record, words: words.text() });
  }
  return found;
}
