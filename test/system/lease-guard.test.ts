import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import {
  checkLease,
  holdsLease,
  isSuperseded,
  leaseHeld,
  noteLease,
  ownLease,
  setLeaseGuard,
} from '../../src/system/lease-guard.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';

vi.mock('node:timers/promises', { spy: true });

const OTHER = { ...ownIdentity(), pid: 1 };

afterEach(() => setLeaseGuard(undefined));

test('a process that owns no directory is refused nothing', async () => {
  expect([holdsLease(), ownLease()]).toEqual([true, undefined]);
  checkLease(true);
  await leaseHeld();
});

test('work that may wait goes on when the lock can be read again, and is refused at once when the lease is lost', async () => {
  let isReadable = false;
  setLeaseGuard({ lease: 1, holds: () => isReadable });
  let isOver = false;
  const held = leaseHeld().then(() => {
    isOver = true;
  });
  await delay(1);
  expect(isOver).toBe(false);
  expect(checkLease).toThrow(expect.objectContaining({ code: 'ERR_STORE_UNAVAILABLE', retryable: true }));
  isReadable = true;
  await held;
  setLeaseGuard({ lease: 1, holds: () => false, isLost: true });
  await expect(leaseHeld()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
});

test('another service with a lower lease is superseded, also for a process that only knows the number of the holder', () => {
  expect(isSuperseded(OTHER, 4)).toBe(false);
  noteLease(5);
  expect([isSuperseded(OTHER, 4), isSuperseded(OTHER, 5), isSuperseded(OTHER, undefined)]).toEqual([
    true,
    false,
    false,
  ]);
  setLeaseGuard({ lease: 4, holds: () => true });
  expect([isSuperseded(OTHER, 3), isSuperseded(OTHER, 4)]).toEqual([true, false]);
  expect(isSuperseded(ownIdentity(), 3)).toBe(false);
});

test('a lock that cannot be read is waited for without a limit, and a successor ends the wait', async () => {
  let [looks, isLost] = [0, false];
  vi.mocked(delay).mockImplementation(
    () => new Promise((resolve) => setImmediate(() => resolve(undefined as never))),
  );
  onTestFinished(() => {
    vi.mocked(delay).mockReset();
  });
  setLeaseGuard({
    lease: 1,
    // Longer than any limit that a task has had: looks stand for time.
    holds: () => ++looks > 2_000,
    get isLost() {
      return isLost;
    },
  });
  await leaseHeld();
  expect(looks).toBeGreaterThan(2_000);
  looks = Number.NEGATIVE_INFINITY;
  const waiting = leaseHeld();
  isLost = true;
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retryable: true });
});
