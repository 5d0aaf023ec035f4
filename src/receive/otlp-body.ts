import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { messageOf, TasktrailError } from '../errors.ts';

/** What HTTP calls "deflate" is the zlib format (RFC 9110, section 8.4.1.2). */
const INFLATERS: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', () => createGunzip()],
  ['deflate', () => createInflate()],
]);

/** Memory for the bodies of all requests together: many large ones at once must not add up without a bound. */
export class BodyRoom {
  readonly #bytesMax: number;
  #held = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  lease(): BodyLease {
    let leased = 0;
    return {
      take: (bytes) => {
        leased += bytes;
        this.#held += bytes;
        if (this.#held > this.#bytesMax) {
          throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'too many requests at once', { retryable: true });
        }
      },
      release: () => {
        this.#held -= leased;
        leased = 0;
      },
    };
  }
}

export interface BodyLease {
  /** Throws a retryable error when there is no room. */
  take(bytes: number): void;
  release(): void;
}

export interface BodyLimits {
  /** Holds for the body as sent and as inflated. */
  readonly bytesMax: number;
  readonly lease: BodyLease;
}

/**
 * The whole body, inflated. Reading stops at the limit, however much more the compressed bytes would have become;
 * the rest of the request is then read and thrown away, so that the sender gets to see the answer.
 */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limits.bytesMax) throw tooLarge(limits.bytesMax);
  const inflater = openInflater(request.headers['content-encoding']);
  if (inflater === undefined) return collect(request, request, limits);
  let sent = 0;
  request.on('data', (chunk: Buffer) => {
    sent += chunk.length;
    if (sent > limits.bytesMax) inflater.destroy(tooLarge(limits.bytesMax));
  });
  request.pipe(inflater);
  try {
    return await collect(request, inflater, limits);
  } finally {
    inflater.destroy();
  }
}

function openInflater(header: string | undefined): Transform | undefined {
  const encoding = header?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return undefined;
  const open = INFLATERS.get(encoding);
  if (open !== undefined) return open();
  throw new TasktrailError(
    'ERR_ENCODING_UNSUPPORTED',
    'unsupported Content-Encoding: send gzip, deflate or identity',
  );
}

function collect(request: IncomingMessage, source: Readable, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      try {
        if (bytes > limits.bytesMax) throw tooLarge(limits.bytesMax);
        limits.lease.take(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        source.off('data', onData);
        chunks.length = 0;
        reject(error);
      }
    };
    source.on('data', onData);
    source.on('end', () => resolve(Buffer.concat(chunks, bytes)));
    source.on('error', (error) => reject(asMalformed(error)));
    request.on('error', (error) => reject(asMalformed(error)));
  });
}

function asMalformed(error: Error): TasktrailError {
  if (error instanceof TasktrailError) return error;
  return new TasktrailError('ERR_INPUT_INVALID', `malformed body: ${messageOf(error)}`, { cause: error });
}

function tooLarge(bytesMax: number): TasktrailError {
  return new TasktrailError('ERR_TOO_LARGE', `the body is larger than ${bytesMax} bytes`);
}
