import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../errors.ts';
import {
  type BodyLimits,
  bodyCutShort,
  bodyTooLarge,
  checkLength,
  collectBody,
} from '../system/http/bounded-body.ts';
import { ProblemError, type ProblemErrorOptions } from './problem.ts';

export type ParsedRequest = IncomingMessage & { readonly body?: unknown };

/**
 * A request's bytes as the client sent them. Throws `ERR_TOO_LARGE`, `ERR_ENCODING_UNSUPPORTED` for a compressed body,
 * `ERR_INPUT_INVALID` for one that ends early, and `ERR_NOT_CONFIGURED` when a parser has consumed the bytes.
 */
export async function readBody(req: ParsedRequest, limits: BodyLimits): Promise<Buffer> {
  // A parser of the user's app has read the request already. express.raw() keeps its bytes.
  if (req.readableDidRead) return rawBody(req.body, limits.bytesMax);
  const encoding = (req.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding !== 'identity') {
    throw new TasktrailError('ERR_ENCODING_UNSUPPORTED', 'send the body without Content-Encoding');
  }
  checkLength(req.headers, limits.bytesMax);
  try {
    return await collectBody(req, limits);
  } catch (error) {
    throw error instanceof TasktrailError ? error : bodyCutShort(error);
  }
}

/** RFC 9110, 15.5.9. The connection is closed: otherwise Node would wait for the rest of the body. */
export const TOO_SLOW: ProblemErrorOptions = {
  retryable: true,
  problem: {
    status: 408,
    type: 'request-timeout',
    title: 'The body arrived too slowly',
    headers: { Connection: 'close' },
  },
};

/** Like `readBody`. Throws a 408 when the last byte has not arrived after `timeoutMs`, on whatever server this is mounted. */
export async function readBodyWithin(
  req: ParsedRequest,
  { bytesMax, timeoutMs }: { readonly bytesMax: number; readonly timeoutMs: number },
): Promise<Buffer> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    const message = `the body was not complete after ${timeoutMs / 1_000} s`;
    late.abort(new ProblemError('ERR_INPUT_INVALID', message, TOO_SLOW));
  }, timeoutMs);
  try {
    return await readBody(req, { bytesMax, signal: late.signal });
  } finally {
    clearTimeout(timer);
  }
}

function rawBody(body: unknown, bytesMax: number): Buffer {
  if (!Buffer.isBuffer(body)) {
    throw new TasktrailError(
      'ERR_NOT_CONFIGURED',
      'a body parser has read the request already: mount this before express.json(), or use express.raw() for its path',
    );
  }
  if (body.length > bytesMax) throw bodyTooLarge(bytesMax);
  return body;
}
