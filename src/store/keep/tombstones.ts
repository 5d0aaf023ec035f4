import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { parseObject } from '../../model/json.ts';
import { isoFromMs, readIso } from '../../model/time.ts';
import { replaceFile } from '../../system/durable.ts';
import { readLines } from '../../system/lines.ts';
import { OWN_NAMES } from '../layout.ts';
import { unreadable } from '../stored-file.ts';

/** JSONL in the log directory: what retention has removed. */

export type TombstoneKind = 'task' | 'workflow';

/** A line of `_pruned.jsonl`. */
export interface Tombstone {
  readonly kind: TombstoneKind;
  readonly id: string;
  readonly pruned_at: string;
}

/** What was removed for its age, so that a late duplicate of its records does not begin it anew. One writer. */
export class Tombstones {
  readonly #path: string;
  readonly #prunedAt = new Map<string, string>();
  /** Whether the last line has no end: the next one must not be glued to it. */
  #isTorn = false;
  #isThere = false;

  private constructor(logDir: string) {
    this.#path = join(logDir, OWN_NAMES.pruned);
  }

  /** Only reads; a missing file is an empty one, a damaged line is left out. Throws `ERR_STORE_UNAVAILABLE`. */
  static async open(logDir: string): Promise<Tombstones> {
    const tombstones = new Tombstones(logDir);
    await tombstones.#load();
    return tombstones;
  }

  has(kind: TombstoneKind, id: string): boolean {
    return this.#prunedAt.has(keyOf(kind, id));
  }

  /** When it was removed, the last time; undefined when it was not. */
  prunedAt(kind: TombstoneKind, id: string): string | undefined {
    return this.#prunedAt.get(keyOf(kind, id));
  }

  /** On the disk, also after a power cut, when it resolves: nothing may be removed before. */
  async add(entries: readonly Tombstone[]): Promise<void> {
    if (entries.length === 0) return;
    if (this.#isThere) await this.#append(textOf(entries));
    else await replaceFile(this.#path, textOf(entries));
    this.#isThere = true;
    for (const entry of entries) this.#learn(entry);
  }

  /** Forgets what was removed before that time (milliseconds since the epoch): no duplicate is as late as that. */
  async forgetOlderThan(timeMs: number): Promise<void> {
    const kept: Tombstone[] = [];
    for (const [key, prunedAt] of this.#prunedAt) {
      if (Date.parse(prunedAt) >= timeMs) kept.push({ ...nameOf(key), pruned_at: prunedAt });
    }
    if (kept.length === this.#prunedAt.size) return;
    await replaceFile(this.#path, textOf(kept));
    this.#isTorn = false;
    this.#prunedAt.clear();
    for (const entry of kept) this.#learn(entry);
  }

  async #append(text: string): Promise<void> {
    const file = await open(this.#path, 'a');
    try {
      const start = this.#isTorn ? '\n' : '';
      // Until it is whole: a write that fails leaves half a line.
      this.#isTorn = true;
      await file.writeFile(`${start}${text}`);
      this.#isTorn = false;
      await file.sync();
    } finally {
      await file.close();
    }
  }

  #learn({ kind, id, pruned_at: prunedAt }: Tombstone): void {
    this.#prunedAt.set(keyOf(kind, id), prunedAt);
  }

  async #load(): Promise<void> {
    let file: FileHandle;
    try {
      file = await open(this.#path, 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw unreadable(OWN_NAMES.pruned, error);
    }
    try {
      for await (const lines of readLines(file)) {
        for (const { bytes, isTerminated } of lines) {
          const entry = isTerminated ? parse(bytes?.toString('utf8')) : undefined;
          if (entry !== undefined) this.#learn(entry);
          this.#isTorn = !isTerminated;
        }
      }
      this.#isThere = true;
    } catch (error) {
      throw unreadable(OWN_NAMES.pruned, error);
    } finally {
      await file.close();
    }
  }
}

/** An entry for something that is removed now. */
export function tombstoneOf(kind: TombstoneKind, id: string, nowMs: number): Tombstone {
  return { kind, id, pruned_at: isoFromMs(nowMs) };
}

function textOf(entries: readonly Tombstone[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
}

function parse(text: string | undefined): Tombstone | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { kind, id } = value;
  const prunedAt = readIso(value.pruned_at);
  if ((kind !== 'task' && kind !== 'workflow') || typeof id !== 'string' || prunedAt === undefined)
    return undefined;
  return { kind, id, pruned_at: prunedAt };
}

function keyOf(kind: TombstoneKind, id: string): string {
  return `${kind} ${id}`;
}

function nameOf(key: string): { kind: TombstoneKind; id: string } {
  const at = key.indexOf(' ');
  return { kind: key.startsWith('task ') ? 'task' : 'workflow', id: key.slice(at + 1) };
}
