import { createHash } from 'node:crypto';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Bucket, BucketOptions, StoredObject, WriteOutcome } from './bucket.ts';
import { statusOf, UploadError, uploadErrorOf } from './failure.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;

/** A large document on a slow line takes minutes. The limit ends a request whose server sends a byte now and then. */
const REQUEST_TIMEOUT_MS = 600_000;

/** Far larger than any document: a foreign object under the same name must not exhaust the memory. */
const OBJECT_BYTES_MAX = 256 * 1_048_576;

/** The only module that loads the SDK: import it only when S3 is used. */
export function openBucket(options: BucketOptions): Bucket {
  return new S3Bucket(options);
}

/**
 * How an object is written. `Content-MD5` first: every S3 knows it, and a bucket with Object Lock requires it or a
 * checksum. `x-amz-checksum-crc32` for one that refuses MD5, and where this machine has no MD5 (FIPS).
 */
interface Way {
  readonly checksum: 'md5' | 'crc32' | 'none';
  /** False once the server has answered that it does not support conditional writes. */
  readonly hasConditions: boolean;
}

type Headers = Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch' | 'ContentMD5' | 'ChecksumAlgorithm'>;

class S3Bucket implements Bucket {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #signal: AbortSignal | undefined;
  /** The way of writing that this server takes; found out by its refusals. */
  #way: Way = { checksum: md5Of(new Uint8Array()) === undefined ? 'crc32' : 'md5', hasConditions: true };

  constructor({ bucket, region, endpoint, pathStyle, idleTimeoutMs, signal }: BucketOptions) {
    this.#bucket = bucket;
    this.#signal = signal;
    this.#client = new S3Client({
      region,
      ...(endpoint !== undefined && { endpoint }),
      forcePathStyle: pathStyle,
      // The archive retries, for longer and visibly.
      maxAttempts: 1,
      // The checksum is chosen for each write: see `Way`. Every written object is read back and compared.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        socketTimeout: idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      },
    });
  }

  async *keys(prefix: string): AsyncGenerator<string> {
    let token: string | undefined;
    do {
      const ContinuationToken = token;
      const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, ContinuationToken });
      const page = await this.#request((abortSignal) => this.#client.send(command, { abortSignal })).catch(
        (error: unknown) => {
          throw uploadErrorOf(error);
        },
      );
      for (const { Key: key } of page.Contents ?? []) if (key !== undefined) yield key;
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async read(key: string): Promise<StoredObject | undefined> {
    try {
      return await this.#request(async (abortSignal) => {
        const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key });
        const { Body, ContentLength, ETag } = await this.#client.send(command, { abortSignal });
        if ((ContentLength ?? 0) > OBJECT_BYTES_MAX) {
          throw new UploadError('object', 'there is an object far too large for a workflow document');
        }
        // A truncated body is an error of the stream, so the bytes are complete here.
        return { bytes: (await Body?.transformToByteArray()) ?? new Uint8Array(), etag: ETag };
      });
    } catch (error) {
      if (isNoObject(error)) return undefined;
      throw uploadErrorOf(error);
    }
  }

  async write(key: string, bytes: Uint8Array, before: StoredObject | undefined): Promise<WriteOutcome> {
    const condition = before === undefined ? { IfNoneMatch: '*' } : ifMatch(before.etag);
    const put = (way: Way): Promise<WriteOutcome> =>
      this.#put(key, bytes, { ...checksumOf(way, bytes), ...(way.hasConditions && condition) });
    let refusal: unknown;
    try {
      return await put(this.#way);
    } catch (error) {
      if (isConflict(error)) return { kind: 'conflict' };
      refusal = error;
    }
    for (const way of otherWays(this.#way, statusOf(refusal))) {
      try {
        const outcome = await put(way);
        this.#way = way;
        return outcome;
      } catch (error) {
        if (isConflict(error)) return { kind: 'conflict' };
        // Another error than a refusal of the header: the first one says more.
        if (!isRefusal(statusOf(error))) break;
      }
    }
    throw uploadErrorOf(refusal);
  }

  close(): void {
    this.#client.destroy();
  }

  async #put(key: string, bytes: Uint8Array, headers: Headers): Promise<WriteOutcome> {
    const command = new PutObjectCommand({
      ...{ Bucket: this.#bucket, Key: key, Body: bytes, ContentType: 'application/json' },
      ...headers,
    });
    const { ETag } = await this.#request((abortSignal) => this.#client.send(command, { abortSignal }));
    return { kind: 'written', etag: ETag };
  }

  /** Aborts at the timeout of the request and when the archive stops. */
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

/** Tells by name: a 404 may also mean an unknown bucket or access key, or a server that is not S3. */
function isNoObject(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

/** The object was changed (412), is being changed (409), or was removed (404) since it was read. */
function isConflict(error: unknown): boolean {
  return [409, 412].includes(statusOf(error) ?? 0) || isNoObject(error);
}

function checksumOf({ checksum }: Way, bytes: Uint8Array): Headers {
  if (checksum === 'crc32') return { ChecksumAlgorithm: 'CRC32' };
  const md5 = checksum === 'md5' ? md5Of(bytes) : undefined;
  return md5 === undefined ? {} : { ContentMD5: md5 };
}

/** Undefined where MD5 is switched off. */
function md5Of(bytes: Uint8Array): string | undefined {
  try {
    return createHash('md5').update(bytes).digest('base64');
  } catch {
    // ERR_OSSL_EVP_UNSUPPORTED
    return undefined;
  }
}

/**
 * What to try after a refusal. 501: a header is not implemented, mostly that of the condition. 400: the checksum is
 * missing or not known. The present way is not among them.
 */
function otherWays({ checksum, hasConditions }: Way, status: number | undefined): readonly Way[] {
  if (!isRefusal(status)) return [];
  const others = (['md5', 'crc32', 'none'] as const).filter((other) => other !== checksum);
  const same = others.map((other) => ({ checksum: other, hasConditions }));
  if (status === 400 || !hasConditions) return same;
  const without = [checksum, ...others].map((other) => ({ checksum: other, hasConditions: false }));
  return [...without.slice(0, 1), ...same, ...without.slice(1)];
}

function isRefusal(status: number | undefined): boolean {
  return status === 400 || status === 501;
}
