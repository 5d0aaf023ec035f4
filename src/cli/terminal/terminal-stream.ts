import { write } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../errors.ts';

/** Milliseconds until a full pipe is tried again. Another process that shares the descriptor may make it non-blocking. */
const FULL_RETRY_MS = 5;

/**
 * Standard output or error of this process, written in order and off the main thread. A paused reader (a pager, Ctrl-S)
 * delays only the writes. `process.stdout` writes synchronously to terminals and would block the whole process.
 */
export class TerminalStream {
  readonly #fd: number;
  #tail: Promise<void> = Promise.resolve();
  #failure: string | undefined;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
  }

  /** The system's error name once writing has failed: `EPIPE` when the reader has ended. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Resolves when these bytes and all before them are written, or writing has failed. Never rejects. Bytes are not copied. */
  write(content: Uint8Array | string): Promise<void> {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    this.#tail = this.#tail.then(() => this.#writeAll(bytes));
    return this.#tail;
  }

  /** Resolves when everything is written, or writing has failed. */
  drained(): Promise<void> {
    return this.#tail;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length && this.#failure === undefined; ) {
      try {
        done += await writeOnce(this.#fd, bytes, done);
      } catch (error) {
        const errno = errnoOf(error) ?? 'unknown error';
        if (errno === 'EAGAIN') await delay(FULL_RETRY_MS);
        else if (errno !== 'EINTR') this.#failure = errno;
      }
    }
  }
}

function writeOnce(fd: number, bytes: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, offset, bytes.length - offset, null, (error, written) =>
      error === null ? resolve(written) : reject(error),
    );
  });
}
