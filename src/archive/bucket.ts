/** An object as it was read. */
export interface StoredObject {
  readonly bytes: Uint8Array;
  /** As the server gave it; undefined when it gives none. */
  readonly etag: string | undefined;
}

export type WriteOutcome =
  /** `etag` is what the server says that it stored. */
  | { readonly kind: 'written'; readonly etag: string | undefined }
  /** Something else is there than what was read before. */
  | { readonly kind: 'conflict' };

/** The part of S3 that an upload needs. Failures are `UploadError`s. */
export interface Bucket {
  /** Undefined when there is no such object. */
  read(key: string): Promise<StoredObject | undefined>;
  /** Replaces what was `before`; undefined: nothing was there. A server without conditions replaces whatever is there. */
  write(key: string, bytes: Uint8Array, before: StoredObject | undefined): Promise<WriteOutcome>;
  close(): void;
}

/** Credentials come from where the SDK finds them: `AWS_*`, profiles, the machine's role. */
export interface BucketOptions {
  readonly bucket: string;
  readonly region: string;
  /** Undefined: AWS itself. */
  readonly endpoint: string | undefined;
  /** True: `endpoint/bucket/key` in place of `bucket.endpoint/key`. */
  readonly pathStyle: boolean;
  /** How long a connection may be silent within a request. Default 30 s. */
  readonly idleTimeoutMs?: number | undefined;
  /** Ends every request. */
  readonly signal?: AbortSignal | undefined;
}
