import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../errors.ts';
import {
  type BodyLimits,
  bodyCutShort,
  bodyTooLarge,
  checkLength,
  collectBody,
} from '../system/bounded-body.ts';

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
