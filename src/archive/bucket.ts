/** An object and its ETag. */
export interface StoredObject {
  readonly bytes: Uint8Array;
  /** Undefined when the server sends none. */
  readonly etag: string | undefined;
}

export type WriteOutcome =
  /** `etag` is that of the stored object. */
  | { readonly kind: 'written'; readonly etag: string | undefined }
  /** The object was changed since it was read. */
  | { readonly kind: 'conflict' };

/** The S3 operations of an upload. They throw `UploadError`. */
export interface Bucket {
  /** Undefined when the object does not exist. */
  read(key: string): Promise<StoredObject | undefined>;
  /**
   * Writes the object if it is still `before` (undefined: if it does not exist). A server without conditional writes
   * overwrites it in any case.
   */
  write(key: string, bytes: Uint8Array, before: StoredObject | undefined): Promise<WriteOutcome>;
  /** Keys of all objects below a prefix, in their order. */
  keys(prefix: string): AsyncGenerator<string>;
  close(): void;
}

/** The SDK finds the credentials: `AWS_*`, profiles, the role of the machine. */
export interface BucketOptions {
  readonly bucket: string;
  readonly region: string;
  /** Undefined: the endpoint of AWS. */
  readonly endpoint: string | undefined;
  /** True: `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle: boolean;
  /** Limit of silence on a connection during a request. Default 30 s. */
  readonly idleTimeoutMs?: number | undefined;
  /** Aborts every request. */
  readonly signal?: AbortSignal | undefined;
}
