import { holdsLease, setLeaseGuard } from '../system/lease-guard.ts';
import type { ActiveTrail } from '../trail/trail.ts';

/** Interval of looks at the lock by a service that does nothing else. */
const LOOK_MS = 1_000;

const LOST =
  'another process has taken over the log directory, because this one was stopped or could not touch its lock for ten seconds';

/**
 * From now on everything that only one service may do asks for the lease first. `onLost` is called once, with one line, at the
 * first question after the loss, before anything is done: the running agents and the waiting tasks are the successor's.
 */
export function guardLease(
  trail: ActiveTrail | undefined,
  onLost: (line: string) => void,
): { close(): void } {
  const check = trail?.leaseCheck(() => onLost(LOST));
  if (check === undefined) return { close: () => {} };
  setLeaseGuard(check);
  const timer = setInterval(() => void holdsLease(), LOOK_MS).unref();
  return {
    close: () => {
      clearInterval(timer);
      setLeaseGuard(undefined);
    },
  };
}
