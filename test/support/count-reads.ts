import { open } from 'node:fs/promises';
import { onTestFinished, vi } from 'vitest';

export interface Reads {
  calls: number;
  bytes: number;
}

/** Counts the reads of all file handles until the end of the test. The counters may be reset. */
export async function countReads(): Promise<Reads> {
  const reads = { calls: 0, bytes: 0 };
  const handle = await open('/dev/null');
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const { read } = prototype;
  const spy = vi.spyOn(prototype, 'read').mockImplementation(async function (this: typeof handle, ...args) {
    const result = await Reflect.apply(read, this, args);
    reads.calls += 1;
    reads.bytes += result.bytesRead;
    return result;
  });
  onTestFinished(() => spy.mockRestore());
  return reads;
}
