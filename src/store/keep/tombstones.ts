import { join } from 'node:path';
import { parseObject } from '../../model/json.ts';
import { isoFromMs, readIso } from '../../model/time.ts';
import { replaceFile } from '../../system/durable.ts';
import { openIfPresent } from '../../system/files/optional-files.ts';
import { openSafeHandle } from '../../system/files/safe-open.ts';
import { checkLease } from '../../system/lease-guard.ts';
import { readLines } from '../../system/lines.ts';
import { unreadable } from '../file-errors.ts';
import { OWN_NAMES } from '../layout.ts';

export type TombstoneKind = 'task' | 'workflow';

/** A line of `_pruned.jsonl`. */
export interface Tombstone {
  readonly kind: TombstoneKind;
  readonly id: string;
  readonly pruned_at: string;
}

/**
 * Tasks and workflows that retention has removed, so that a late duplicate of their records does not create them
 * again. One writer.
 */
export class Tombstones {
  readonly #path: string;
  readonly #prunedAt = new Map<string, string>();
  /** Whether the last line has no newline: the next one must not continue it. */
  #isTorn = false;
  #exists = false;

  private constructor(logDir: string) {
    this.#path = join(logDir, OWN_NAMES.pruned);
  }

  /** Only reads. A missing file counts as empty, and damaged lines are skipped. Throws `ERR_STORE_UNAVAILABLE`. */
  static async open(logDir: string): Promise<Tombstones> {
    const tombstones = new Tombstones(logDir);
    await tombstones.#load();
    return tombstones;
  }

  has(kind: TombstoneKind, id: string): boolean {
    return this.#prunedAt.has(keyOf(kind, id));
  }

  /** Time of the last removal; undefined when it was not removed. */
  prunedAt(kind: TombstoneKind, id: string): string | undefined {
    return this.#prunedAt.get(keyOf(kind, id));
  }

  /** Durable when it resolves; nothing may be removed before. */
  async add(entries: readonly Tombstone[]): Promise<void> {
    if (entries.length === 0) return;
    if (this.#exists) await this.#append(textOf(entries));
    else await replaceFile(this.#path, textOf(entries));
    this.#exists = true;
    for (const entry of entries) this.#remember(entry);
  }

  /** Drops entries older than `timeMs` (milliseconds since the epoch): no duplicate arrives that late. */
  async forgetOlderThan(timeMs: number): Promise<void> {
    const kept: Tombstone[] = [];
    for (const [key, prunedAt] of this.#prunedAt) {
      if (Date.parse(prunedAt) >= timeMs) kept.push({ ...nameOf(key), pruned_at: prunedAt });
    }
    if (kept.length === this.#prunedAt.size) return;
    await replaceFile(this.#path, textOf(kept));
    this.#isTorn = false;
    this.#prunedAt.clear();
    for (const entry of kept) this.#remember(entry);
  }

  async #append(text: string): Promise<void> {
    const file = await openSafeHandle(this.#path, 'a');
    try {
      checkLease();
      const start = this.#isTorn ? '\n' : '';
      // Reset only after the write: a failed one leaves half a line.
      this.#isTorn = true;
      await file.writeFile(`${start}${text}`);
      this.#isTorn = false;
      await file.sync();
    } finally {
      await file.close();
    }
  }

  #remember({ kind, id, pruned_at: prunedAt }: Tombstone): void {
    this.#prunedAt.set(keyOf(kind, id), prunedAt);
  }

  async #load(): Promise<void> {
    const file = await openIfPresent(this.#path, 'r').catch((error: unknown) => {
      throw unreadable(OWN_NAMES.pruned, error);
    });
    if (file === undefined) return;
    try {
      for await (const lines of readLines(file)) {
        for (const { bytes, isTerminated } of lines) {
          const entry = isTerminated ? parse(bytes?.toString('utf8')) : undefined;
          if (entry !== undefined) this.#remember(entry);
          this.#isTorn = !isTerminated;
        }
      }
      this.#exists = true;
    } catch (error) {
      throw unreadable(OWN_NAMES.pruned, error);
    } finally {
      await file.close();
    }
  }
}

/** An entry with the current time. */
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
