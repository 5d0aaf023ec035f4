import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../errors.ts';
import { ownIdentity, type ProcessIdentity } from './process-identity.ts';

/** Pause between two looks at a lock that cannot be read. */
const LOOK_MS = 500;

/** How this thread knows whether its process still owns the log directory. */
export interface LeaseGuard {
  /** The number of the lease. Each takeover of the directory has a higher one. */
  readonly lease: number;
  /** Cheap while the lock was read in the last second, unless `isFresh` asks for a new look; else it reads the lock. */
  holds(isFresh?: boolean): boolean;
  /** True: for good. Else a lock that cannot be read may be readable again. */
  readonly isLost?: boolean;
}

let guard: LeaseGuard | undefined;

/** The highest lease of the log directory that a process without a lease of its own has seen. */
let seen = 0;

/** Set by the service that owns a log directory, in the thread that does its work. */
export function setLeaseGuard(next: LeaseGuard | undefined): void {
  guard = next;
}

/**
 * False when another process has taken over the log directory of this service, or that is not known. Asked before everything
 * that only one service may do. True in a process that owns no directory.
 */
export function holdsLease(isFresh = false): boolean {
  return guard?.holds(isFresh) ?? true;
}

/** The lease of this service; undefined in a process that owns no directory. */
export function ownLease(): number | undefined {
  return guard?.lease;
}

/** For a process that owns no directory, such as a worker: the lease of its holder, which has proven itself. */
export function noteLease(lease: number): void {
  seen = Math.max(seen, lease);
}

/**
 * Whether the service that had this lease has been replaced. It may be alive: stopped, or cut off. False without a lease: that
 * process owned no directory, and nothing replaces it while it lives.
 */
export function isSuperseded({ pid, host, start }: ProcessIdentity, lease: number | undefined): boolean {
  if (lease === undefined || lease >= (guard?.lease ?? seen)) return false;
  // A thread of this process that was started again may have a higher lease than the one before.
  const own = ownIdentity();
  return pid !== own.pid || host !== own.host || start !== own.start;
}

/** Throws a retryable `ERR_STORE_UNAVAILABLE` when `holdsLease` is false. */
export function checkLease(isFresh = false): void {
  if (holdsLease(isFresh)) return;
  throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'another process has taken over the log directory', {
    retryable: true,
  });
}

/**
 * `checkLease` for work that may wait. Throws only when another process has taken over. A lock that cannot be read is no answer,
 * and is waited for without a limit: an agent that has ended keeps its result. Does not keep the process alive.
 */
export async function leaseHeld(): Promise<void> {
  while (!holdsLease() && guard?.isLost !== true) await delay(LOOK_MS, undefined, { ref: false });
  checkLease();
}
