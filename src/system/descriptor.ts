import { closeSync, openSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { fileMode } from './files/modes.ts';
import { type Access, openSafeSync } from './files/safe-open.ts';

const writeSome = promisify(write);

/**
 * Longest write that is made at once: the kernel copies it in some microseconds. A turn through libuv's pool wakes two
 * threads, which costs several times that, and the store makes thousands of small writes a second.
 */
const AT_ONCE_BYTES_MAX = 65_536;

/**
 * Opens a file, passes its descriptor to `use`, and closes it in every case. Opening and closing are synchronous: see
 * `AT_ONCE_BYTES_MAX`.
 */
export async function withFile<T>(
  path: string,
  access: Access,
  use: (fd: number) => Promise<T>,
  mode: number = fileMode(),
): Promise<T> {
  return useAndClose(openSafeSync(path, access, mode), use);
}

/** `withFile` for a directory, to sync it. It may be a link: the log directory is what the user names. */
export async function withDirectory<T>(path: string, use: (fd: number) => Promise<T>): Promise<T> {
  return useAndClose(openSync(path, 'r'), use);
}

/** `withDirectory` without waiting for other work of this thread. */
export function withDirectorySync(path: string, use: (fd: number) => void): void {
  const fd = openSync(path, 'r');
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

async function useAndClose<T>(fd: number, use: (fd: number) => Promise<T>): Promise<T> {
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes all bytes at the current position. `onWritten` receives the number of bytes written so far, also when a
 * later write throws.
 */
export async function writeWhole(
  fd: number,
  bytes: Uint8Array,
  onWritten?: (count: number) => void,
): Promise<void> {
  // The first write(2) usually takes everything; a short write comes before an error such as ENOSPC.
  for (let done = 0; done < bytes.length; ) {
    const left = bytes.length - done;
    done +=
      left <= AT_ONCE_BYTES_MAX
        ? writeSync(fd, bytes, done, left)
        : (await writeSome(fd, bytes, done, left)).bytesWritten;
    onWritten?.(done);
  }
}
