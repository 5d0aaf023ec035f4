import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FILLER = '.filler';

/** Enough for a round; small enough to be filled quickly. */
const SIZE = '96m';

/** Why no file system can be mounted here; undefined when it can. */
export function noMountReason(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'tasktrail-mount-'));
  const disk = Disk.mount(directory);
  disk?.unmount();
  rmSync(directory, { recursive: true, force: true });
  return disk === undefined ? 'mounting a file system needs Linux and root' : undefined;
}

/** A file system in memory for the log directory, that can refuse writes. Needs root. */
export class Disk {
  readonly directory: string;
  #isMounted = false;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Undefined where this user may not mount. */
  static mount(directory: string): Disk | undefined {
    const disk = new Disk(directory);
    disk.#isMounted = run('mount', '-t', 'tmpfs', '-o', `size=${SIZE},mode=0700`, 'tmpfs', directory);
    return disk.#isMounted ? disk : undefined;
  }

  /** False when the kernel refuses: a file is being written. */
  makeReadOnly(): boolean {
    return run('mount', '-o', 'remount,ro', this.directory);
  }

  /** Fills the rest of the space. The next write of any process gets ENOSPC. */
  fill(): boolean {
    const piece = Buffer.alloc(64 * 1024);
    let descriptor: number | undefined;
    try {
      descriptor = openSync(join(this.directory, FILLER), 'a');
      for (;;) writeSync(descriptor, piece);
    } catch {
      // ENOSPC, as wanted; EROFS when the disk is read-only already.
      return true;
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  mend(): void {
    run('mount', '-o', `remount,rw,size=${SIZE}`, this.directory);
    rmSync(join(this.directory, FILLER), { force: true });
  }

  unmount(): void {
    if (!this.#isMounted) return;
    this.#isMounted = !(run('umount', this.directory) || run('umount', '-l', this.directory));
  }
}

function run(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
