import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { firstOfText } from '../model/text.ts';

/** `bucket`: no document can be uploaded, so all wait. `object`: only this one. */
export type FailureScope = 'bucket' | 'object';

/** A failed upload. The message is the reason shown in `/readyz`. All failures are retried. */
export class UploadError extends TasktrailError {
  readonly scope: FailureScope;

  constructor(scope: FailureScope, reason: string, cause?: unknown) {
    super('ERR_STORE_UNAVAILABLE', reason, { retryable: true, cause });
    this.name = 'UploadError';
    this.scope = scope;
  }
}

/** Limit of a server's message, which may be an HTML page. */
const MESSAGE_CHARS_MAX = 200;

const REFUSED =
  'the credentials are refused: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN';
const REGION = 'the bucket is in another region: set AWS_REGION';

/**
 * Error names of S3 and the SDK for failures that a user can repair, with the remedy. All of them concern the bucket.
 */
const KNOWN: ReadonlyMap<string, string> = new Map([
  ['NoSuchBucket', 'the bucket does not exist: create it, or correct its name'],
  ['InvalidBucketName', 'the name of the bucket is not valid: correct it'],
  ['InvalidAccessKeyId', REFUSED],
  // versitygw, with status 404.
  ['XAdminUserNotFound', REFUSED],
  ['SignatureDoesNotMatch', REFUSED],
  ['InvalidToken', REFUSED],
  ['ExpiredToken', 'the credentials have expired: renew them'],
  ['CredentialsProviderError', 'there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
  ['AccessDenied', 'access is denied: the credentials need s3:GetObject, s3:PutObject and s3:ListBucket'],
  ['RequestTimeTooSkewed', 'the clock of this machine is wrong by more than 15 minutes'],
  ['PermanentRedirect', REGION],
  ['AuthorizationHeaderMalformed', REGION],
  ['IllegalLocationConstraintException', REGION],
]);

/** Converts an error of a request. The reason never contains a key, a header or a signature. */
export function uploadErrorOf(error: unknown): UploadError {
  if (error instanceof UploadError) return error;
  const name = error instanceof Error ? error.name : '';
  const known = KNOWN.get(name);
  if (known !== undefined) return new UploadError('bucket', known, error);
  const status = statusOf(error);
  if (status === undefined) return new UploadError('bucket', unreachable(error), error);
  // An answer without a body has no error name.
  if (status === 403) return new UploadError('bucket', KNOWN.get('AccessDenied') ?? '', error);
  if (status === 301 || status === 307) return new UploadError('bucket', REGION, error);
  // A missing object is handled by the caller: any other 404 concerns the bucket or the server.
  const scope = status >= 500 || status === 429 || status === 404 ? 'bucket' : 'object';
  return new UploadError(scope, `the server answers ${status} ${name}: ${shortMessage(error)}`, error);
}

/** HTTP status of the answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const { $metadata: metadata } = error;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** The SDK reports a broken connection as a timeout too: the errno is more precise. */
function unreachable(error: unknown): string {
  const errno = errnoOf(error);
  switch (errno) {
    case 'ECONNRESET':
    case 'EPIPE':
      return `the connection broke (${errno})`;
    case 'ETIMEDOUT':
      return 'the server does not answer in time';
    case undefined: {
      const isTimeout = error instanceof Error && error.name === 'TimeoutError';
      return isTimeout ? 'the server does not answer in time' : shortMessage(error);
    }
    default:
      return `the server cannot be reached: ${shortMessage(error)}`;
  }
}

function shortMessage(error: unknown): string {
  const message = messageOf(error).replaceAll(/\s+/g, ' ').trim();
  return message.length > MESSAGE_CHARS_MAX ? `${firstOfText(message, MESSAGE_CHARS_MAX)}...` : message;
}
