import { join } from 'node:path';
import { isJsonObject, type JsonObject, parseObject } from '../../model/json.ts';
import { isAnyOf } from '../../model/secret.ts';
import { macOf } from '../../model/trail-token.ts';
import { replacePrivateFile } from '../../system/files/private-files.ts';
import { readTextSync } from '../../system/files/safe-open.ts';
import type { LeaseGuard } from '../../system/lease-guard.ts';
import { OWN_NAMES } from '../layout.ts';

/** How long an answer of the lock file is good, far below the ten seconds after which another process takes over. */
const FRESH_MS = 1_000;

/** From here on the lease is not known to be held when neither the lock file nor `_lease.json` can be read. */
const UNSURE_MS = 5_000;

/** `_lease.json` keeps the number of the last lease while there is no lock file. 0 without one. */
export function readLease(logDir: string, key: string): number {
  const value = parseObject(readTextSync(join(logDir, OWN_NAMES.lease)));
  const { lease, mac } = value ?? {};
  if (!isLease(lease) || typeof mac !== 'string') return 0;
  return isAnyOf([macOf(key, textOf(lease))], mac) ? lease : 0;
}

/** Durable when it resolves. */
export async function writeLease(logDir: string, key: string, lease: number): Promise<void> {
  const record = { schema_version: 1, lease, mac: macOf(key, textOf(lease)) };
  await replacePrivateFile(join(logDir, OWN_NAMES.lease), `${JSON.stringify(record)}\n`);
}

export function isLease(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function textOf(lease: number): string {
  return `lease ${lease}`;
}

export interface LeaseCheckOptions {
  readonly logDir: string;
  readonly key: string;
  readonly lease: number;
  /** Whether a lock with this token is one of this process. */
  isOwn(token: string): boolean;
  /** Called once, when another process has taken over. */
  onLost(): void;
}

/**
 * Whether the lease of this process is still good, without a wait: after a pause of the process (it was stopped, the machine
 * slept) the answer comes from the lock file.
 */
export class LeaseCheck implements LeaseGuard {
  readonly lease: number;
  readonly #options: LeaseCheckOptions;
  #isLost = false;
  #steady = performance.now();
  #wall = Date.now();

  constructor(options: LeaseCheckOptions) {
    this.#options = options;
    this.lease = options.lease;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  holds(isFresh = false): boolean {
    if (this.#isLost) return false;
    const steady = performance.now();
    const wall = Date.now();
    // The steady clock stands still while the machine sleeps, and the other one may be set.
    const age = Math.max(steady - this.#steady, Math.abs(wall - this.#wall));
    if (age < FRESH_MS && !isFresh) return true;
    let isTaken: boolean;
    try {
      isTaken = this.#isTaken();
    } catch {
      // EMFILE, EIO: the next call reads again.
      return age < UNSURE_MS;
    }
    if (isTaken) {
      this.#isLost = true;
      this.#options.onLost();
      return false;
    }
    this.#steady = steady;
    this.#wall = wall;
    return true;
  }

  #isTaken(): boolean {
    const { logDir, key, isOwn } = this.#options;
    let lock: JsonObject | undefined;
    try {
      lock = parseObject(readTextSync(join(logDir, OWN_NAMES.lock)));
    } catch (error) {
      // EIO, EACCES: a successor writes its number before it does anything else.
      const last = readLease(logDir, key);
      if (last < this.lease) throw error;
      return last > this.lease;
    }
    if (typeof lock?.token === 'string') return !isOwn(lock.token);
    // Removed, or changed by another program: a successor has left its number all the same.
    return readLease(logDir, key) > this.lease;
  }
}

/** The number in the content of a lock file; 0 in one of an older version. */
export function leaseIn(lock: JsonObject | undefined): number {
  return isJsonObject(lock) && isLease(lock.lease) ? lock.lease : 0;
}
