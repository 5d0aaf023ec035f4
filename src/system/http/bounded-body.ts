import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { TasktrailError } from '../../errors.ts';

/** Memory for the bodies of all requests together: many large ones at once must have a limit, too. */
export class BodyRoom {
  readonly #bytesMax: number;
  readonly #refuse: () => TasktrailError;
  #held = 0;

  /** `refuse` makes the error of a body that finds no room. */
  constructor(bytesMax: number, refuse: () => TasktrailError) {
    this.#bytesMax = bytesMax;
    this.#refuse = refuse;
  }

  lease(): BodyLease {
    let leased = 0;
    return {
      take: (bytes) => {
        leased += bytes;
        this.#held += bytes;
        if (this.#held > this.#bytesMax) throw this.#refuse();
      },
      release: () => {
        this.#held -= leased;
        leased = 0;
      },
    };
  }
}

export interface BodyLease {
  /** Throws when there is no room. */
  take(bytes: number): void;
  release(): void;
}

export interface BodyLimits {
  readonly bytesMax: number;
  /** Room shared with other bodies. Default: none is shared. */
  readonly lease?: BodyLease;
  /** Its abort ends the reading; the reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Refuses a body by its `Content-Length`, before any of it is read. */
export function checkLength(headers: IncomingHttpHeaders, bytesMax: number): void {
  if (Number(headers['content-length'] ?? 0) > bytesMax) throw bodyTooLarge(bytesMax);
}

/**
 * All bytes of a stream. Rejects with `ERR_TOO_LARGE` beyond the limit, `ERR_INPUT_INVALID` when the stream closes early,
 * and with the stream's own error. The stream is not destroyed: Node discards the rest of a request after the answer, so
 * that the client can read it.
 */
export function collectBody(source: Readable, { bytesMax, lease, signal }: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gathered = new Gathered(bytesMax);
    let bytes = 0;
    const stop = (): void => {
      source.off('data', onData).off('end', onEnd).off('error', fail).off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown): void => {
      stop();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      try {
        if (bytes > bytesMax) throw bodyTooLarge(bytesMax);
        lease?.take(chunk.length);
        gathered.push(chunk);
      } catch (error) {
        fail(error);
      }
    };
    const onEnd = (): void => {
      stop();
      resolve(gathered.bytes);
    };
    const onClose = (): void => fail(bodyCutShort());
    const onAbort = (): void => fail(signal?.reason);
    if (signal?.aborted) onAbort();
    else if (source.destroyed) onClose();
    else {
      source.on('data', onData).on('end', onEnd).on('error', fail).on('close', onClose);
      signal?.addEventListener('abort', onAbort);
    }
  });
}

/** A body of several chunks starts with room for this many bytes. */
const FIRST_BYTES = 262_144;

/** The bytes so far, in one buffer that grows: joining 64 MiB of chunks in the end would hold up everything else. */
class Gathered {
  readonly #bytesMax: number;
  #buffer: Buffer | undefined;
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): Buffer {
    return this.#buffer?.subarray(0, this.#length) ?? Buffer.alloc(0);
  }

  push(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (this.#buffer === undefined) this.#buffer = chunk;
    else {
      if (length > this.#buffer.length) this.#grow(length);
      chunk.copy(this.#buffer, this.#length);
    }
    this.#length = length;
  }

  #grow(length: number): void {
    const size = Math.max(length, Math.min(this.#bytesMax, Math.max(FIRST_BYTES, 2 * length)));
    const larger = Buffer.allocUnsafe(size);
    this.bytes.copy(larger);
    this.#buffer = larger;
  }
}

export function bodyTooLarge(bytesMax: number): TasktrailError {
  return new TasktrailError('ERR_TOO_LARGE', `a body is at most ${bytesMax} bytes`);
}

/** The client has closed the connection: nothing failed here, and no one reads the answer. */
export function bodyCutShort(cause?: unknown): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', 'the body ended early', { cause });
}
