/** Every `code` that tasktrail's errors, problem documents and exit messages carry. */
export type ErrorCode =
  | 'ERR_AGENT_FAILED'
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
 * The base of every error that tasktrail throws on purpose: switch on `code`, read `retryable` before trying
 * again. Misuse of the API (a wrong type of argument) is a plain `TypeError` instead.
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

/** What went wrong in one line, for a log, a reason or a field: never a stack. Never throws, whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    if (error instanceof Error) return String(error.message === '' ? error.name : error.message);
    return String(error);
  } catch {
    // A getter of its own threw, or it has no text at all (an object without a prototype).
    return 'unreadable error';
  }
}

/** The operating system's error name (`ENOENT`), or undefined for every other kind of error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
