import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  isStale,
  type LockOwner,
  readLock,
  releaseLock,
  restoreLock,
  takeLock,
  updateLock,
} from '../../src/system/lock.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { tempDir } from '../support/log-dir.ts';

const TOUCHED = { staleMs: 10_000, isTouched: true };
const UNTOUCHED = { staleMs: 10_000, isTouched: false };
const MINE: LockOwner = { ...ownIdentity(), token: 'mine' };
const OTHER: LockOwner = { ...ownIdentity(), token: 'other' };
const DEAD: LockOwner = { ...ownIdentity(), start: 'earlier-boot', token: 'dead' };

async function lockPath(content?: unknown, ageMs = 0): Promise<string> {
  const path = join(await tempDir(), 'lock');
  if (content === undefined) return path;
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  const then = new Date(Date.now() - ageMs);
  utimesSync(path, then, then);
  return path;
}

const namesAround = (path: string): string[] => readdirSync(join(path, '..'));

test('a lock is taken once, and the second attempt gets the owner', async () => {
  const path = await lockPath();
  expect(await takeLock(path, MINE, TOUCHED)).toEqual({ isTaken: true });
  expect(await takeLock(path, OTHER, TOUCHED)).toEqual({ isTaken: false, owner: MINE });
  expect(await readLock(path)).toEqual(MINE);
  expect(namesAround(path)).toEqual(['lock']);
});

test('the lock of a dead owner is replaced and leaves no other file', async () => {
  const path = await lockPath(DEAD);
  expect(await takeLock(path, MINE, UNTOUCHED)).toEqual({ isTaken: true });
  expect(await readLock(path)).toEqual(MINE);
  expect(namesAround(path)).toEqual(['lock']);
});

test('of concurrent attempts on the lock of a dead owner exactly one succeeds', async () => {
  const path = await lockPath(DEAD);
  const owners = Array.from({ length: 10 }, (_, index) => ({ ...ownIdentity(), token: `t${index}` }));
  const attempts = await Promise.all(owners.map((owner) => takeLock(path, owner, TOUCHED)));
  expect(attempts.filter(({ isTaken }) => isTaken)).toHaveLength(1);
  expect((await readLock(path))?.token).toBe(owners[attempts.findIndex(({ isTaken }) => isTaken)]?.token);
  expect(namesAround(path)).toEqual(['lock']);
});

test('age makes a touched lock stale, and an untouched one only when its owner cannot be checked', async () => {
  const elsewhere = { ...MINE, host: 'elsewhere' };
  const old = await lockPath(MINE, 11_000);
  expect(await isStale(old, MINE, TOUCHED)).toBe(true);
  expect(await isStale(old, MINE, UNTOUCHED)).toBe(false);
  expect(await isStale(old, elsewhere, UNTOUCHED)).toBe(true);
  const fresh = await lockPath(MINE);
  expect(await isStale(fresh, elsewhere, TOUCHED)).toBe(false);
  expect(await isStale(fresh, DEAD, UNTOUCHED)).toBe(true);
});

test('a lock with invalid content is respected until it is old, and a missing one is stale', async () => {
  for (const content of ['', '{', '[]', '{"pid":1}', { ...MINE, token: '../x' }]) {
    const path = await lockPath(content);
    expect(await readLock(path)).toBeUndefined();
    expect(await takeLock(path, MINE, TOUCHED)).toEqual({ isTaken: false, owner: undefined });
    expect(await takeLock(await lockPath(content, 11_000), MINE, TOUCHED)).toEqual({ isTaken: true });
  }
  expect(await isStale(await lockPath(), undefined, TOUCHED)).toBe(true);
});

test('only the owner updates, releases and restores a lock', async () => {
  const path = await lockPath();
  await takeLock(path, MINE, TOUCHED);
  expect(await updateLock(path, OTHER)).toBe(false);
  await releaseLock(path, OTHER);
  expect(await restoreLock(path, OTHER)).toBe(false);
  expect(await readLock(path)).toEqual(MINE);
  const announced = { ...MINE, url: 'http://127.0.0.1:1' };
  expect(await updateLock(path, announced)).toBe(true);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(announced);
  await releaseLock(path, MINE);
  expect(namesAround(path)).toEqual([]);
  expect(await restoreLock(path, MINE)).toBe(true);
  expect(namesAround(path)).toEqual(['lock']);
});
