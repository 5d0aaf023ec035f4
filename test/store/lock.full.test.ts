import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DirectoryLock, findHolder, releaseFormer } from '../../src/store/lock.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { builtUrl } from '../support/built.ts';
import { afterTest } from '../support/current-test.ts';
import { documentOf, tempDir } from '../support/log-dir.ts';

const LOCK = '_lock.json';
const LEASE = '_lease.json';

async function acquire(dir: string, onLost: (reason: string) => void = () => {}): Promise<DirectoryLock> {
  const lock = await DirectoryLock.acquire(dir, onLost);
  onTestFinished(() => lock.release());
  return lock;
}

/** A lock of another owner. */
function plant(dir: string, more: Record<string, unknown> = {}, ageMs = 0): void {
  const record = { ...ownIdentity(), token: 'T1', started_at: '', otlp_url: null, ...more };
  writeFileSync(join(dir, LOCK), JSON.stringify(record));
  const then = new Date(Date.now() - ageMs);
  utimesSync(join(dir, LOCK), then, then);
}

test('a second holder is refused with the pid and address of the first', async () => {
  const dir = await tempDir();
  const lock = await acquire(dir);
  await lock.announce('http://127.0.0.1:4318');
  await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({
    code: 'ERR_DIRECTORY_HELD',
    message: expect.stringMatching(new RegExp(`process ${process.pid} .*http://127\\.0\\.0\\.1:4318`)),
  });
  expect(await findHolder(dir)).toMatchObject({ pid: process.pid, otlp_url: 'http://127.0.0.1:4318' });
  expect(readdirSync(dir)).toEqual(['_key', LEASE, LOCK]);
});

test('a released lock is removed and can be taken again', async () => {
  const dir = await tempDir();
  const lock = await acquire(dir);
  await lock.release();
  expect(lock.isHeld).toBe(false);
  expect(existsSync(join(dir, LOCK))).toBe(false);
  expect(await findHolder(dir)).toBeUndefined();
  expect((await acquire(dir)).isHeld).toBe(true);
});

test('the lock of a dead process is taken over', async () => {
  const dir = await tempDir();
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  plant(dir, { pid: child.pid });
  expect(await findHolder(dir)).toBeUndefined();
  expect((await acquire(dir)).isHeld).toBe(true);
  expect(documentOf(dir, LOCK).pid).toBe(process.pid);
  expect(readdirSync(dir)).toEqual(['_key', LEASE, LOCK]);
});

test('the lock of a process whose pid was reused is taken over', async () => {
  const dir = await tempDir();
  plant(dir, { start: 'earlier-boot' });
  expect((await acquire(dir)).isHeld).toBe(true);
});

test('a lock without a touch for 10 s is taken over, a fresh one is not', async () => {
  const dir = await tempDir();
  plant(dir, { host: 'elsewhere' }, 9_000);
  await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({ code: 'ERR_DIRECTORY_HELD' });
  plant(dir, { host: 'elsewhere' }, 11_000);
  expect(await findHolder(dir)).toBeUndefined();
  expect((await acquire(dir)).isHeld).toBe(true);
});

test.each(['', '{"pid":', '[]', '{"pid":1,"host":"a","start":"b","token":"../../x"}'])(
  'a lock file with content %j is respected while it is fresh, and taken over when it is old',
  async (text) => {
    const dir = await tempDir();
    writeFileSync(join(dir, LOCK), text);
    await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({ code: 'ERR_DIRECTORY_HELD' });
    const then = new Date(Date.now() - 11_000);
    utimesSync(join(dir, LOCK), then, then);
    expect((await acquire(dir)).isHeld).toBe(true);
    expect(readdirSync(dir)).toEqual(['_key', LEASE, LOCK]);
  },
);

test('a process that died during a takeover is succeeded too', async () => {
  const dir = await tempDir();
  plant(dir, { start: 'earlier-boot' });
  const dead = { ...ownIdentity(), start: 'earlier-boot', token: 'T2', started_at: '', otlp_url: null };
  for (const name of [`${LOCK}.after-T1`, `${LOCK}.T2`]) writeFileSync(join(dir, name), JSON.stringify(dead));
  expect((await acquire(dir)).isHeld).toBe(true);
  expect(readdirSync(dir)).toEqual(['_key', LEASE, LOCK]);
});

test('a live process that is taking over a stale lock is not overtaken', async () => {
  const dir = await tempDir();
  plant(dir, { start: 'earlier-boot' });
  const alive = { ...ownIdentity(), token: 'T2', started_at: '', otlp_url: null };
  writeFileSync(join(dir, `${LOCK}.after-T1`), JSON.stringify(alive));
  await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({ code: 'ERR_DIRECTORY_HELD' });
});

test('temporary files of earlier processes are removed', async () => {
  const dir = await tempDir();
  const then = new Date(Date.now() - 11_000);
  for (const name of [`${LOCK}.01OLD`, `${LOCK}.after-01OLD`]) {
    writeFileSync(join(dir, name), '{}');
    utimesSync(join(dir, name), then, then);
  }
  writeFileSync(join(dir, `${LOCK}.01NEW`), '{}');
  await acquire(dir);
  expect(readdirSync(dir).sort()).toEqual(['_key', LEASE, LOCK, `${LOCK}.01NEW`]);
});

test('a lock that is taken over is lost, and release keeps the new one', async () => {
  const dir = await tempDir();
  const lost = vi.fn();
  const lock = await acquire(dir, lost);
  plant(dir, { host: 'elsewhere', token: 'T9' });
  await expect.poll(() => lost.mock.calls.length).toBe(1);
  expect(lock.isHeld).toBe(false);
  await lock.release();
  expect(documentOf(dir, LOCK).token).toBe('T9');
});

test('a lock that was deleted with the whole directory is restored', async () => {
  const dir = await tempDir();
  const lost = vi.fn();
  const lock = await acquire(dir, lost);
  const key = readFileSync(join(dir, '_key'), 'utf8');
  rmSync(dir, { recursive: true });
  await expect.poll(() => existsSync(join(dir, LOCK))).toBe(true);
  expect(readFileSync(join(dir, '_key'), 'utf8')).toBe(key);
  expect(lock.isHeld).toBe(true);
  expect(lost).not.toHaveBeenCalled();
  await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({ code: 'ERR_DIRECTORY_HELD' });
});

test('after a pause the lock does not count as held until it was read', async () => {
  const dir = await tempDir();
  const lock = await acquire(dir);
  const now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockReturnValue(now + 6_000);
  onTestFinished(() => clock.mockRestore());
  expect(lock.isHeld).toBe(false);
  await expect.poll(() => lock.isHeld).toBe(true);
});

test('a process in another container with the same host name keeps its lock while it touches it', async () => {
  const dir = await tempDir();
  plant(dir, { pid: 1, start: `${ownIdentity().start}1` });
  const touching = setInterval(() => plant(dir, { pid: 1, start: `${ownIdentity().start}1` }), 500);
  try {
    await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({ code: 'ERR_DIRECTORY_HELD' });
  } finally {
    clearInterval(touching);
  }
  expect((await acquire(dir)).isHeld).toBe(true);
});

test('releasing a lock that was just taken over keeps the new one', async () => {
  const dir = await tempDir();
  const lock = await acquire(dir);
  plant(dir, { host: 'elsewhere', token: 'T9' });
  await lock.release();
  expect(documentOf(dir, LOCK).token).toBe('T9');
});

test('announcing on a lock that was taken over does not take it back', async () => {
  const dir = await tempDir();
  const lost = vi.fn();
  const lock = await acquire(dir, lost);
  plant(dir, { host: 'elsewhere', token: 'T9' });
  await lock.announce('http://127.0.0.1:1');
  expect(lost).toHaveBeenCalledOnce();
  expect(documentOf(dir, LOCK)).toMatchObject({ token: 'T9', otlp_url: null });
  expect(readdirSync(dir)).toEqual(['_key', LEASE, LOCK]);
});

/** Holds the lock and computes for longer than a lock stays fresh; says whether it holds the lock right after. */
const COMPUTES = (): string => `
  import { DirectoryLock } from '${builtUrl('store/lock.ts')}';
  const lock = await DirectoryLock.acquire(process.argv[1], () => {});
  setTimeout(() => {
    console.log('computes');
    for (const start = Date.now(); Date.now() - start < 13_000; );
    const isHeld = lock.isHeld;
    setTimeout(async () => {
      console.log(JSON.stringify({ isHeld, later: lock.isHeld }));
      await lock.release();
    }, 2_000);
  }, 3_500);
`;

test.concurrent('a program that computes for longer than a lock stays fresh keeps it, writes only after reading it, and ends', async ({
  expect,
}) => {
  const dir = await tempDir();
  const child = spawn(process.execPath, ['--input-type=module', '-e', COMPUTES(), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  await expect.poll(() => output).toContain('computes');
  const computing = performance.now();
  // A taker asks all the time; the lock is fresh the whole time.
  while (performance.now() - computing < 12_000) {
    await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({ code: 'ERR_DIRECTORY_HELD' });
    await delay(50);
  }
  // The thread that touched the lock does not keep the process alive, nor leave the lock behind.
  expect(await ended).toEqual([0, null]);
  expect(JSON.parse(output.split('\n')[1] ?? '')).toEqual({ isHeld: false, later: true });
  expect(existsSync(join(dir, LOCK))).toBe(false);
});

test.concurrent('a program that stops for longer than a lock stays fresh loses it', async ({ expect }) => {
  const dir = await tempDir();
  const child = new Racer(dir);
  afterTest(() => void child.child.kill('SIGKILL'));
  await expect.poll(() => child.output).toContain('ready');
  child.child.stdin?.write('go');
  await expect.poll(() => child.output).toContain('holds true');
  // Its thread runs by now: the lock was touched twice.
  const first = statSync(join(dir, LOCK)).mtimeMs;
  await expect.poll(() => statSync(join(dir, LOCK)).mtimeMs).toBeGreaterThan(first + 3_000);
  child.child.kill('SIGSTOP');
  let lock: DirectoryLock | undefined;
  await expect
    .poll(async () => {
      lock ??= await DirectoryLock.acquire(dir, () => {}).catch(() => undefined);
      return lock?.isHeld;
    })
    .toBe(true);
  afterTest(() => lock?.release());
  child.child.kill('SIGCONT');
  await expect.poll(() => child.output).toContain('lost');
});

/** Waits for a line on stdin, so that all start at once; prints the outcome and holds the lock until the next line. */
const RACER = (): string => `
  import { DirectoryLock } from '${builtUrl('store/lock.ts')}';
  process.stdin.once('data', async () => {
    try {
      const lock = await DirectoryLock.acquire(process.argv[1], () => console.log('lost'));
      console.log('holds ' + lock.isHeld);
    } catch (error) {
      console.log(error.code);
    }
    process.stdin.once('data', () => process.exit());
  });
  console.log('ready');
`;

class Racer {
  readonly child: ChildProcess;
  output = '';

  constructor(dir: string) {
    this.child = spawn(process.execPath, ['--input-type=module', '-e', RACER(), dir], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout?.on('data', (data: Buffer) => {
      this.output += data.toString();
    });
  }
}

test('exactly one of 20 processes that race for a stale lock gets it', { timeout: 120_000 }, async () => {
  for (let round = 0; round < 2; round += 1) {
    const dir = await tempDir();
    plant(dir, { start: 'earlier-boot' });
    const racers = Array.from({ length: 20 }, () => new Racer(dir));
    try {
      await expect.poll(() => racers.every(({ output }) => output === 'ready\n')).toBe(true);
      for (const { child } of racers) child.stdin?.write('go');
      await expect.poll(() => racers.every(({ output }) => output.length > 6), { interval: 20 }).toBe(true);
      const outcomes = racers.map(({ output }) => output.slice(6).trim()).sort();
      expect(outcomes).toEqual([...Array(19).fill('ERR_DIRECTORY_HELD'), 'holds true']);
      const holder = racers.find(({ output }) => output.includes('holds'));
      expect(documentOf(dir, LOCK).pid).toBe(holder?.child.pid);
      expect(readdirSync(dir)).toEqual(['_key', LEASE, LOCK]);
    } finally {
      for (const { child } of racers) child.kill('SIGKILL');
    }
  }
});

test('the lock of a thread of this process that has ended is taken over by its token, and by nothing else', async () => {
  const dir = await tempDir();
  const former = await DirectoryLock.acquire(dir, () => {}, { token: 'first' });
  onTestFinished(() => former.release());
  await expect(DirectoryLock.acquire(dir, () => {}, { former: ['other'] })).rejects.toMatchObject({
    code: 'ERR_DIRECTORY_HELD',
  });
  const next = await DirectoryLock.acquire(dir, () => {}, { token: 'second', former: ['other', 'first'] });
  expect((await findHolder(dir))?.token).toBe('second');
  await next.release();
  const last = await DirectoryLock.acquire(dir, () => {}, { token: 'third', former: ['second'] });
  await releaseFormer(dir, ['second']);
  expect((await findHolder(dir))?.token).toBe('third');
  await releaseFormer(dir, ['second', 'third']);
  expect(await findHolder(dir)).toBeUndefined();
  await last.release();
});
