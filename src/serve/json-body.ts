import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../errors.ts';
import { parseWellFormed, wellFormedValue } from '../model/text.ts';
import { readBodyWithin } from './request-body.ts';

export interface JsonBodyLimits {
  readonly bytesMax: number;
  readonly timeoutMs: number;
}

/**
 * The JSON value of a request, or what a body parser of the user's app has made of it. Throws `ERR_TYPE_UNSUPPORTED` for
 * another type: a web page cannot send `application/json` to another site without a CORS preflight.
 */
export async function readJsonBody(
  req: IncomingMessage,
  limits: JsonBodyLimits,
  what: string,
): Promise<unknown> {
  if (mediaTypeOf(req) !== 'application/json')
    throw new TasktrailError('ERR_TYPE_UNSUPPORTED', `send ${what} as Content-Type: application/json`);
  return req.readableDidRead ? parsedBody(req) : parseJsonBytes(await readBodyWithin(req, limits));
}

/** `Content-Type` without its parameters. */
export function mediaTypeOf(req: IncomingMessage): string {
  return (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** The result of `express.json()`, `.text()` or `.raw()`. */
function parsedBody(req: IncomingMessage & { readonly body?: unknown }): unknown {
  if (Buffer.isBuffer(req.body)) return parseJsonBytes(req.body);
  if (typeof req.body === 'string') return parseJsonBytes(Buffer.from(req.body));
  return wellFormedValue(req.body);
}

function parseJsonBytes(bytes: Buffer): unknown {
  try {
    return parseWellFormed(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    // A SyntaxError, or the decoder's TypeError for invalid UTF-8.
    throw new TasktrailError('ERR_INPUT_INVALID', 'the body is not JSON in UTF-8', { cause: error });
  }
}
