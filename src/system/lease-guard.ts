import { TasktrailError } from '../errors.ts';

/** How this thread knows whether its process still owns the log directory. */
export interface LeaseGuard {
  /** The number of the lease. Each takeover of the directory has a higher one. */
  readonly lease: number;
  /** Cheap while the lock was read in the last second; else it reads the lock. */
  holds(): boolean;
}

let guard: LeaseGuard | undefined;

/** Set by the service that owns a log directory, in the thread that does its work. */
export function setLeaseGuard(next: LeaseGuard | undefined): void {
  guard = next;
}

/**
 * False when another process has taken over the log directory of this service, or that is not known. Asked before everything
 * that only one service may do. True in a process that owns no directory.
 */
export function holdsLease(): boolean {
  return guard?.holds() ?? true;
}

/** The lease of this service; undefined in a process that owns no directory. */
export function ownLease(): number | undefined {
  return guard?.lease;
}

/** Throws a retryable `ERR_STORE_UNAVAILABLE` when `holdsLease` is false. */
export function checkLease(): void {
  if (holdsLease()) return;
  throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'another process has taken over the log directory', {
    retryable: true,
  });
}
