import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** In memory, so that a copy takes milliseconds. */
const MEMORY = '/dev/shm';

const BLOCK_BYTES = 4096;

/** Tries before a copy of a busy image is given up. */
const COPIES_MAX = 200;

/** Tries while the writers go on. */
const BUSY_COPIES = 6;

/** Why no image can be mounted here; undefined when it can. */
export function noImageReason(): string | undefined {
  if (process.platform !== 'linux') return 'loop devices are those of Linux';
  if (process.getuid?.() !== 0) return 'mounting an image needs root';
  for (const program of ['mkfs.ext4', 'mount', 'umount']) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `${program} is not installed`;
  }
  let image: DiskImage | undefined;
  try {
    image = new DiskImage(16);
    image.mount();
    return undefined;
  } catch (error) {
    return `an image cannot be mounted: ${String(error)}`;
  } finally {
    image?.dispose();
  }
}

/** An ext4 file system in a file. Its file holds what has reached the disk, and nothing that is only cached. */
export class DiskImage {
  readonly directory: string;
  readonly #folder: string;
  readonly #file: string;
  #isMounted = false;

  constructor(megabytes: number) {
    this.#folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'tasktrail-disk-'));
    this.#file = join(this.#folder, 'image');
    this.directory = join(this.#folder, 'mounted');
    mkdirSync(this.directory);
    const fd = openSync(this.#file, 'w');
    ftruncateSync(fd, megabytes * 1024 * 1024);
    closeSync(fd);
    try {
      execFileSync('mkfs.ext4', ['-q', '-b', '1024', '-N', '8192', '-J', 'size=4', this.#file]);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  mount(): void {
    execFileSync('mount', ['-o', 'loop,noatime', this.#file, this.directory]);
    this.#isMounted = true;
  }

  unmount(): void {
    if (!this.#isMounted) return;
    execFileSync('umount', [this.directory]);
    this.#isMounted = false;
  }

  /**
   * What a power cut would leave now. Two equal copies one after the other are the state between them: no block has changed
   * from its first reading to its second. `pause` stops the writers for an image that is too busy; they write nothing then,
   * and what they have not synced stays in the cache.
   */
  cut(pause: (isPaused: boolean) => void): Buffer {
    let before = readFileSync(this.#file);
    try {
      for (let copies = 1; copies < COPIES_MAX; copies += 1) {
        if (copies === BUSY_COPIES) pause(true);
        const after = readFileSync(this.#file);
        if (after.equals(before)) return after;
        before = after;
      }
    } finally {
      pause(false);
    }
    throw new Error('the image is never quiet');
  }

  /** Replaces the content of an unmounted image. */
  restore(content: Buffer): void {
    const fd = openSync(this.#file, 'w');
    ftruncateSync(fd, content.length);
    const zeros = Buffer.alloc(BLOCK_BYTES);
    for (let at = 0; at < content.length; at += BLOCK_BYTES) {
      const block = content.subarray(at, at + BLOCK_BYTES);
      if (!block.equals(zeros)) writeSync(fd, block, 0, block.length, at);
    }
    closeSync(fd);
  }

  dispose(): void {
    if (this.#isMounted) spawnSync('umount', ['-l', this.directory]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
