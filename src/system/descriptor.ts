import { close, closeSync, open, openSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { type Access, openSafe } from './files/safe-open.ts';

const openFile = promisify(open);
const closeFile = promisify(close);
const writeSome = promisify(write);

/**
 * Opens a file, passes its descriptor to `use`, and closes it in every case. A plain descriptor, because opening a
 * `FileHandle` takes about twice the main-thread time and the store opens thousands of files a second.
 */
export async function withFile<T>(
  path: string,
  access: Access,
  use: (fd: number) => Promise<T>,
  mode?: number,
): Promise<T> {
  return useAndClose(await openSafe(path, access, mode), use);
}

/** `withFile` for a directory, to sync it. It may be a link: the log directory is what the user names. */
export async function withDirectory<T>(path: string, use: (fd: number) => Promise<T>): Promise<T> {
  return useAndClose(await openFile(path, 'r'), use);
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
    await closeFile(fd);
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
    done += (await writeSome(fd, bytes, done, bytes.length - done)).bytesWritten;
    onWritten?.(done);
  }
}
