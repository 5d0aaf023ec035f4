import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Bucket, BucketOptions, StoredObject, WriteOutcome } from './bucket.ts';
import { statusOf, UploadError, uploadErrorOf } from './failure.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;

/** A large document over a slow line takes minutes; a server that sends a byte now and then must not hold us longer. */
const REQUEST_TIMEOUT_MS = 600_000;

/** A document is smaller than what a store reads back; a stray giant under our name must not take the process down. */
const OBJECT_BYTES_MAX = 256 * 1_048_576;

/** The only module that loads the SDK: import it when S3 is switched on, and not before. */
export function openBucket(options: BucketOptions): Bucket {
  return new S3Bucket(options);
}

class S3Bucket implements Bucket {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #signal: AbortSignal | undefined;
  /** False once the server has said that it does not know them. */
  #hasConditions = true;

  constructor({ bucket, region, endpoint, pathStyle, idleTimeoutMs, signal }: BucketOptions) {
    this.#bucket = bucket;
    this.#signal = signal;
    this.#client = new S3Client({
      region,
      ...(endpoint !== undefined && { endpoint }),
      forcePathStyle: pathStyle,
      // The archive tries again by itself, visibly and for longer.
      maxAttempts: 1,
      // Many servers know no checksums beside MD5, and what is stored is read again and compared in any case.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        socketTimeout: idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      },
    });
  }

  async read(key: string): Promise<StoredObject | undefined> {
    try {
      return await this.#request(async (abortSignal) => {
        const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key });
        const { Body, ContentLength, ETag } = await this.#client.send(command, { abortSignal });
        if ((ContentLength ?? 0) > OBJECT_BYTES_MAX) {
          throw new UploadError('object', 'something far too large to be a workflow document is there');
        }
        // A body that ends early is an error of the stream, a whole one is complete here.
        return { bytes: (await Body?.transformToByteArray()) ?? new Uint8Array(), etag: ETag };
      });
    } catch (error) {
      if (isNoObject(error)) return undefined;
      throw uploadErrorOf(error);
    }
  }

  async write(key: string, bytes: Uint8Array, before: StoredObject | undefined): Promise<WriteOutcome> {
    const condition = before === undefined ? { IfNoneMatch: '*' } : ifMatch(before.etag);
    try {
      return await this.#put(key, bytes, this.#hasConditions ? condition : {});
    } catch (error) {
      if (isConflict(error)) return { kind: 'conflict' };
      if (!this.#hasConditions || statusOf(error) !== 501) throw uploadErrorOf(error);
    }
    try {
      const outcome = await this.#put(key, bytes, {});
      this.#hasConditions = false;
      return outcome;
    } catch (error) {
      throw uploadErrorOf(error);
    }
  }

  close(): void {
    this.#client.destroy();
  }

  async #put(
    key: string,
    bytes: Uint8Array,
    condition: { readonly IfMatch?: string; readonly IfNoneMatch?: string },
  ): Promise<WriteOutcome> {
    const command = new PutObjectCommand({
      ...{ Bucket: this.#bucket, Key: key, Body: bytes, ContentType: 'application/json' },
      ...condition,
    });
    const { ETag } = await this.#request((abortSignal) => this.#client.send(command, { abortSignal }));
    return { kind: 'written', etag: ETag };
  }

  /** Ends with the request's own time, and with the archive. */
  async #request<T>(send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const end = (): void => abort.abort();
    const timer = setTimeout(end, REQUEST_TIMEOUT_MS);
    timer.unref();
    this.#signal?.addEventListener('abort', end, { once: true });
    try {
      this.#signal?.throwIfAborted();
      return await send(abort.signal);
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener('abort', end);
    }
  }
}

function ifMatch(etag: string | undefined): { readonly IfMatch?: string } {
  return etag === undefined ? {} : { IfMatch: etag };
}

/** A 404 may also mean that the bucket, or the key that we sign with, is unknown, or that this is no S3 server. */
function isNoObject(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

/** It changed (412), is being changed (409), or was removed (404) since it was read. */
function isConflict(error: unknown): boolean {
  return [409, 412].includes(statusOf(error) ?? 0) || isNoObject(error);
}
