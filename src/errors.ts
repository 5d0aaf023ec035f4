/** Every `code` that tasktrail's errors, problem documents and exit messages carry. */
export type ErrorCode =
  | 'ERR_AGENT_FAILED'
  | 'ERR_BUSY'
  | 'ERR_CONFIG_INVALID'
  | 'ERR_CONFLICT'
  | 'ERR_DIRECTORY_HELD'
  | 'ERR_DIRECTORY_UNUSABLE'
  | 'ERR_ENCODING_UNSUPPORTED'
  | 'ERR_GONE'
  | 'ERR_ID_INVALID'
  | 'ERR_INPUT_INVALID'
  | 'ERR_METHOD_NOT_ALLOWED'
  | 'ERR_NOT_CONFIGURED'
  | 'ERR_NOT_FOUND'
  | 'ERR_PORT_IN_USE'
  | 'ERR_QUEUE_UNAVAILABLE'
  | 'ERR_SIGNATURE_INVALID'
  | 'ERR_STEP_FAILED'
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_TOO_LARGE'
  | 'ERR_TYPE_UNSUPPORTED'
  | 'ERR_UNAUTHORIZED'
  | 'ERR_UNEXPECTED';

export interface TasktrailErrorOptions {
  /** Whether the same call may succeed later without a change on the caller's side. Default false. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * The base class of tasktrail's errors: switch on `code`, and read `retryable` before a retry. Misuse of the API (an
 * argument of the wrong type) throws a plain `TypeError` instead.
 */
export class TasktrailError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: TasktrailErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TasktrailError';
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** The message of a thrown value for a log line, a reason or a field, without a stack. Never throws. */
export function messageOf(error: unknown): string {
  try {
    if (error instanceof Error) return textOf(error);
    return String(error);
  } catch {
    // A getter threw, or the value has no text (an object without a prototype).
    return 'unreadable error';
  }
}

/** The `code` of an error of Node or the operating system (`ENOENT`); undefined for other values. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  if (isUnnamed(error.code)) return unnamedErrno(error)?.[0] ?? 'UNKNOWN';
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Errors of the disk of which Node only knows the number, with the texts of the C library. */
const UNNAMED: Readonly<Record<string, Readonly<Record<number, readonly [name: string, text: string]>>>> = {
  linux: {
    74: ['EBADMSG', 'bad message'],
    116: ['ESTALE', 'stale file handle'],
    117: ['EUCLEAN', 'structure needs cleaning'],
    121: ['EREMOTEIO', 'remote i/o error'],
    122: ['EDQUOT', 'disk quota exceeded'],
  },
  darwin: {
    69: ['EDQUOT', 'disk quota exceeded'],
    70: ['ESTALE', 'stale file handle'],
    94: ['EBADMSG', 'bad message'],
  },
};

/** The first form is that of synchronous calls, the second that of the others. */
const UNNAMED_CODE = /^(?:UNKNOWN$|Unknown system error)/;
const UNNAMED_TEXT = /^(?:UNKNOWN: unknown error|Unknown system error -\d+: Unknown system error -\d+)/;

function isUnnamed(code: unknown): boolean {
  return typeof code === 'string' && UNNAMED_CODE.test(code);
}

function unnamedErrno(error: Error): readonly [name: string, text: string] | undefined {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? undefined : UNNAMED[process.platform]?.[Math.abs(errno)];
}

function textOf(error: Error): string {
  const text = String(error.message === '' ? error.name : error.message);
  const named = 'code' in error && isUnnamed(error.code) ? unnamedErrno(error) : undefined;
  return named === undefined ? text : text.replace(UNNAMED_TEXT, () => named.join(': '));
}
