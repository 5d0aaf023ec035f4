import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, TasktrailError, type TasktrailErrorOptions } from '../errors.ts';
import { QueryError } from '../model/query-error.ts';
import { firstOfText } from '../model/text.ts';

interface ProblemRow {
  readonly status: number;
  readonly title: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** The last part of the problem's type URN. Default: from the error's code. */
  readonly type?: string;
}

/** The HTTP answer for each error code. An error with status 500 is a defect: its message goes to the log only. */
const PROBLEMS: Readonly<Record<ErrorCode, ProblemRow>> = {
  ERR_AGENT_FAILED: { status: 500, title: 'The agent failed' },
  // Streams end when their readers leave, other work within seconds: ask again soon.
  ERR_BUSY: { status: 503, title: 'Too many streams', headers: { 'Retry-After': '10' } },
  ERR_CONFIG_INVALID: { status: 500, title: 'The configuration is not valid' },
  ERR_CONFLICT: { status: 409, title: 'Not possible as things are' },
  ERR_DIRECTORY_HELD: { status: 500, title: 'The log directory is held by another process' },
  ERR_DIRECTORY_UNUSABLE: { status: 500, title: 'The log directory cannot be used' },
  ERR_ENCODING_UNSUPPORTED: { status: 415, title: 'The content encoding is not supported' },
  ERR_GONE: { status: 410, title: 'No longer kept' },
  ERR_ID_INVALID: { status: 400, title: 'The id is not valid' },
  ERR_INPUT_INVALID: { status: 400, title: 'The input is not valid' },
  ERR_METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not allowed here' },
  ERR_NOT_CONFIGURED: { status: 503, title: 'Not configured' },
  ERR_NOT_FOUND: { status: 404, title: 'Not found' },
  ERR_PORT_IN_USE: { status: 500, title: 'The port is in use' },
  // Within five seconds a Redis that restarts or fails over is usually back.
  ERR_QUEUE_UNAVAILABLE: {
    status: 503,
    title: 'The queue is not available',
    headers: { 'Retry-After': '5' },
  },
  ERR_SIGNATURE_INVALID: { status: 401, title: 'The signature is not valid' },
  ERR_STEP_FAILED: { status: 500, title: 'The step failed' },
  ERR_STORE_UNAVAILABLE: { status: 503, title: 'The stored logs cannot be read or written' },
  ERR_TOO_LARGE: { status: 413, title: 'Too large' },
  ERR_TYPE_UNSUPPORTED: { status: 415, title: 'The content type is not supported' },
  // RFC 9110, 15.5.2: a 401 names the scheme that would be accepted.
  ERR_UNAUTHORIZED: {
    status: 401,
    title: 'A valid token is needed',
    headers: { 'WWW-Authenticate': 'Bearer realm="tasktrail"' },
  },
  ERR_UNEXPECTED: { status: 500, title: 'Unexpected error' },
};

/** An error whose answer differs from the row of its code. */
export class ProblemError extends TasktrailError {
  readonly problem: Partial<ProblemRow>;

  constructor(code: ErrorCode, message: string, { problem = {}, ...options }: ProblemErrorOptions = {}) {
    super(code, message, options);
    this.problem = problem;
  }
}

export interface ProblemErrorOptions extends TasktrailErrorOptions {
  readonly problem?: Partial<ProblemRow>;
}

/** On every answer: logs are private and change while they are read, and browsers must not guess another type. */
export const ANSWER_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/**
 * Answers with an RFC 9457 problem document that holds the error's `code`. Any other error than a `TasktrailError` becomes
 * a 500 `ERR_UNEXPECTED` without details. Every error with status 500 goes to `onUnexpected`. When part of an answer was
 * sent already, the connection is closed: a client must not take it for a complete one.
 */
export function sendProblem(
  res: ServerResponse,
  error: unknown,
  onUnexpected?: (error: unknown) => void,
): void {
  const code = codeOf(error);
  const row = rowOf(error);
  if (row.status === 500) onUnexpected?.(error);
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const detail =
    error instanceof TasktrailError && row.status !== 500
      ? error.message
      : 'The server failed; its log says why.';
  const body = JSON.stringify({
    type: `urn:tasktrail:problem:${row.type ?? typeOf(code)}`,
    title: row.title,
    status: row.status,
    detail,
    code,
    ...(error instanceof QueryError && { position: error.position }),
  });
  res.writeHead(row.status, {
    ...ANSWER_HEADERS,
    ...row.headers,
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
  });
  res.end(body);
}

/** The status that `sendProblem` answers this error with. */
export function problemStatus(error: unknown): number {
  return rowOf(error).status;
}

/** The last route of a server: 404 for every request that no other route has answered. */
export function notFound(req: IncomingMessage, res: ServerResponse): void {
  const path = (req.url ?? '/').split('?', 1)[0] ?? '/';
  // A path may be as long as the server's limit for headers.
  const shown = path.length > 200 ? `${firstOfText(path, 200)}...` : path;
  sendProblem(res, new TasktrailError('ERR_NOT_FOUND', `nothing answers ${req.method ?? 'GET'} ${shown}`));
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof TasktrailError ? error.code : 'ERR_UNEXPECTED';
}

function rowOf(error: unknown): ProblemRow {
  return { ...PROBLEMS[codeOf(error)], ...(error instanceof ProblemError && error.problem) };
}

function typeOf(code: ErrorCode): string {
  return code.slice('ERR_'.length).toLowerCase().replaceAll('_', '-');
}
