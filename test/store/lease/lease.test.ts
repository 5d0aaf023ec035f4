import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { LeaseCheck, readLease, writeLease } from '../../../src/store/lease/lease.ts';
import { DirectoryLock } from '../../../src/store/lock.ts';
import { ownIdentity } from '../../../src/system/process-identity.ts';
import { documentOf, tempDir } from '../../support/log-dir.ts';

/** Names of files whose opening fails as on a broken disk. */
const broken = vi.hoisted(() => new Set<string>());

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  const openSync: typeof actual.openSync = (path, ...rest) => {
    if (broken.has(String(path).split('/').at(-1) ?? ''))
      throw Object.assign(new Error('EIO: i/o error, open'), { code: 'EIO' });
    return actual.openSync(path, ...rest);
  };
  return { ...actual, openSync };
});

beforeEach(() => broken.clear());

async function acquire(dir: string): Promise<DirectoryLock> {
  const lock = await DirectoryLock.acquire(dir, () => {});
  onTestFinished(() => lock.release());
  return lock;
}

/** Both clocks are that much later for the rest of the test. */
function passed(ms: number): void {
  const [steady, wall] = [performance.now(), Date.now()];
  vi.spyOn(performance, 'now').mockReturnValue(steady + ms);
  vi.spyOn(Date, 'now').mockReturnValue(wall + ms);
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
}

function check(dir: string, { key, lease, token }: DirectoryLock, onLost = vi.fn()): LeaseCheck {
  return new LeaseCheck({ logDir: dir, key, lease, isOwn: (found) => found === token, onLost });
}

test('each holder has a higher lease, also after the lock file was removed', async () => {
  const dir = await tempDir();
  const first = await acquire(dir);
  expect(first.lease).toBe(1);
  expect(documentOf(dir, '_lock.json').lease).toBe(1);
  await first.release();
  const second = await acquire(dir);
  expect(second.lease).toBe(2);
  await second.release();
  rmSync(join(dir, '_lease.json'));
  expect((await acquire(dir)).lease).toBe(1);
});

test('without _lease.json the lease goes on from the lock file', async () => {
  const dir = await tempDir();
  const lock = await acquire(dir);
  const text = readFileSync(join(dir, '_lock.json'), 'utf8');
  await lock.release();
  const again = await acquire(dir);
  const path = join(dir, '_lock.json');
  await again.release();
  writeFileSync(path, text.replace(ownIdentity().start, 'earlier-boot'));
  rmSync(join(dir, '_lease.json'));
  // Its signature does not fit any more: the number counts for nothing.
  expect((await acquire(dir)).lease).toBe(1);
});

test('a number without the signature of the directory is not taken', async () => {
  const dir = await tempDir();
  const lock = await acquire(dir);
  writeFileSync(join(dir, '_lease.json'), JSON.stringify({ schema_version: 1, lease: 900, mac: 'forged' }));
  expect(readLease(dir, lock.key)).toBe(0);
});

test('a successor that has ended already is noticed by its number', async () => {
  const dir = await tempDir();
  const first = await acquire(dir);
  const onLost = vi.fn();
  const lease = check(dir, first, onLost);
  rmSync(join(dir, '_lock.json'));
  const second = await acquire(dir);
  await second.release();
  passed(6_000);
  expect(lease.holds()).toBe(false);
  expect(lease.holds()).toBe(false);
  expect(onLost).toHaveBeenCalledOnce();
});

test('after a pause the lock file decides, and a removed one without a successor takes nothing', async () => {
  const dir = await tempDir();
  const lock = await acquire(dir);
  const lease = check(dir, lock);
  passed(60_000);
  expect(lease.holds()).toBe(true);
  rmSync(join(dir, '_lock.json'));
  passed(60_000);
  expect(lease.holds()).toBe(true);
});

test('a lock that looks old is not taken over while its owner touches it: the clock has jumped', async () => {
  const dir = await tempDir();
  const lock = await acquire(dir);
  const path = join(dir, '_lock.json');
  const touch = setInterval(() => {
    const then = new Date(Date.now() - 3_600_000 + Math.random() * 1_000);
    utimesSync(path, then, then);
  }, 200);
  onTestFinished(() => clearInterval(touch));
  await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({ code: 'ERR_DIRECTORY_HELD' });
  expect(lock.isHeld).toBe(true);
});

test('while the lock cannot be read, the number of the last lease tells whether there is a successor', async () => {
  const dir = await tempDir();
  const first = await acquire(dir);
  const onLost = vi.fn();
  const lease = check(dir, first, onLost);
  broken.add('_lock.json');
  passed(60_000);
  expect(lease.holds()).toBe(true);
  await writeLease(dir, first.key, first.lease + 1);
  passed(60_000);
  expect([lease.holds(), lease.isLost]).toEqual([false, true]);
  expect(onLost).toHaveBeenCalledOnce();
});

test.each([
  ['cannot be read either', (): void => void broken.add('_lease.json')],
  ['is missing', (dir: string): void => rmSync(join(dir, '_lease.json'))],
  ['is forged', (dir: string): void => writeFileSync(join(dir, '_lease.json'), '{"lease":7,"mac":"forged"}')],
])(
  'while the lock cannot be read and the last lease %s, the answer is open, and no loss',
  async (_, spoil) => {
    const dir = await tempDir();
    const lock = await acquire(dir);
    const lease = check(dir, lock);
    broken.add('_lock.json');
    spoil(dir);
    passed(4_000);
    expect(lease.holds()).toBe(true);
    passed(60_000);
    expect([lease.holds(), lease.isLost]).toEqual([false, false]);
    broken.clear();
    passed(120_000);
    expect([lease.holds(), lease.isLost]).toEqual([true, false]);
  },
);
