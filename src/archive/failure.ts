import { errnoOf, messageOf, TasktrailError } from '../errors.ts';

/** `bucket`: nothing else can be uploaded either, so all wait; `object`: the others go on. */
export type FailureScope = 'bucket' | 'object';

/** An upload that did not succeed; the message is a plain reason for `/readyz`. All of them are tried again. */
export class UploadError extends TasktrailError {
  readonly scope: FailureScope;

  constructor(scope: FailureScope, reason: string, cause?: unknown) {
    super('ERR_STORE_UNAVAILABLE', reason, { retryable: true, cause });
    this.name = 'UploadError';
    this.scope = scope;
  }
}

/** A server's own words can be a page of HTML. */
const MESSAGE_CHARS_MAX = 200;

const REFUSED =
  'the credentials are refused: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN';
const REGION = 'the bucket is in another region: set AWS_REGION';

/** What S3 and the SDK call the failures that somebody can mend, and what there is to do. All are about the bucket. */
const KNOWN: ReadonlyMap<string, string> = new Map([
  ['NoSuchBucket', 'the bucket does not exist: create it, or correct its name'],
  ['InvalidBucketName', 'the name of the bucket is not valid: correct it'],
  ['InvalidAccessKeyId', REFUSED],
  // As versitygw says it, with 404.
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

/** Any error of a request, with the reason in words. Never holds a key, a header or a signature. */
export function uploadErrorOf(error: unknown): UploadError {
  if (error instanceof UploadError) return error;
  const name = error instanceof Error ? error.name : '';
  const known = KNOWN.get(name);
  if (known !== undefined) return new UploadError('bucket', known, error);
  const status = statusOf(error);
  if (status === undefined) return new UploadError('bucket', unreachable(error), error);
  // A HEAD-like answer without a body has no name.
  if (status === 403) return new UploadError('bucket', KNOWN.get('AccessDenied') ?? '', error);
  if (status === 301 || status === 307) return new UploadError('bucket', REGION, error);
  // That an object is not there is no failure: a 404 that is one is about more than an object.
  const scope = status >= 500 || status === 429 || status === 404 ? 'bucket' : 'object';
  return new UploadError(scope, `the server answers ${status} ${name}: ${shortMessage(error)}`, error);
}

/** The HTTP status that the server answered with; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const { $metadata: metadata } = error;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** The SDK calls a broken connection a timeout as well: the system's own name says more. */
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
  return message.length > MESSAGE_CHARS_MAX ? `${message.slice(0, MESSAGE_CHARS_MAX)}...` : message;
}
