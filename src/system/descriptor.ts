import { close, open, write } from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(open);
const closeFile = promisify(close);
const writeSome = promisify(write);

/**
 * Opens a file for `use`, and closes it whatever happens. A plain descriptor: a `FileHandle` takes twice as much time of
 * the thread, which here has some thousand files a second to open and webhooks to answer.
 */
export async function withFile<T>(
  path: string,
  flags: 'a' | 'r' | 'w',
  use: (fd: number) => Promise<T>,
): Promise<T> {
  const fd = await openFile(path, flags);
  try {
    return await use(fd);
  } finally {
    await closeFile(fd);
  }
}

/** Writes all of it where the file stands. When it throws, `onWritten` has heard of what the file has taken. */
export async function writeWhole(
  fd: number,
  bytes: Uint8Array,
  onWritten?: (count: number) => void,
): Promise<void> {
  // One write for all of it; the system takes less only when it is about to refuse.
  for (let done = 0; done < bytes.length; ) {
    done += (await writeSome(fd, bytes, done, bytes.length - done)).bytesWritten;
    onWritten?.(done);
  }
}
