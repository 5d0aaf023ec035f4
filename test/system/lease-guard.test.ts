import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
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
