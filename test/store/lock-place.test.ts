import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LockToucher } from '../../src/store/lease/lock-toucher.ts';
import { DirectoryLock, findHolder } from '../../src/store/lock.ts';
import { tempDir } from '../support/log-dir.ts';
import { DEADLINE } from '../support/until.ts';

const LOCK = '_lock.json';

/** Puts something that is not a file in place of the lock. */
const PUT: Readonly<Record<string, (path: string) => void>> = {
  'a symbolic link': (path) => {
    writeFileSync(`${path}-target`, 'theirs\n');
    symlinkSync(`${path}-target`, path);
  },
  'a folder': (path) => mkdirSync(path),
  'a named pipe': (path) => execFileSync('mkfifo', [path]),
};

const kinds = Object.keys(PUT);

describe.skipIf(process.platform === 'win32')('in place of the lock', () => {
  test.each(kinds)('%s is named when the directory is taken, and stays', async (kind) => {
    const dir = await tempDir();
    PUT[kind]?.(join(dir, LOCK));
    await expect(DirectoryLock.acquire(dir, () => {})).rejects.toMatchObject({
      code: 'ERR_DIRECTORY_UNUSABLE',
      message: expect.stringMatching(
        new RegExp(`${LOCK} is ${kind}.*: if no tasktrail runs here, remove it`),
      ),
    });
    expect(lstatSync(join(dir, LOCK)).isFile()).toBe(false);
    expect(await findHolder(dir)).toBeUndefined();
  });

  test.each(kinds)('%s does not take the directory from its holder', async (kind) => {
    const dir = await tempDir();
    const troubles: string[] = [];
    let lost: string | undefined;
    const lock = await DirectoryLock.acquire(
      dir,
      (reason) => {
        lost = reason;
      },
      { onTrouble: (reason) => reason !== undefined && troubles.push(reason) },
    );
    onTestFinished(() => lock.release());
    const path = join(dir, LOCK);
    rmSync(path);
    PUT[kind]?.(path);
    if (kind === 'a folder') {
      await expect.poll(() => troubles.at(-1), DEADLINE).toContain(`${path} is a folder: remove it`);
      rmSync(path, { recursive: true });
    }
    await expect.poll(() => lstatSync(path, { throwIfNoEntry: false })?.isFile(), DEADLINE).toBe(true);
    await expect.poll(() => lock.isHeld, DEADLINE).toBe(true);
    expect(lost).toBeUndefined();
    if (kind === 'a symbolic link') expect(readFileSync(`${path}-target`, 'utf8')).toBe('theirs\n');
    const leftIn = (): string[] => readdirSync(dir).filter((name) => name.startsWith(`${LOCK}.`));
    await expect.poll(leftIn, DEADLINE).toEqual([]);
  });

  // A thread that waits for the other end of a pipe could not be ended.
  test('a pipe does not keep the toucher from ending', { tags: 'full' }, async () => {
    const path = join(await tempDir(), LOCK);
    execFileSync('mkfifo', [path]);
    const toucher = new LockToucher(path, 'T1');
    toucher.beat();
    toucher.beat();
    // It touches a second after the last beat.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await toucher.stop();
  });
});
