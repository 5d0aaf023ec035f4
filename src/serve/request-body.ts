import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../errors.ts';

/** A request's bytes as they came; throws `ERR_TOO_LARGE`, or `ERR_ENCODING_UNSUPPORTED` for a compressed one. */
export async function readBody(
  req: IncomingMessage & { readonly body?: unknown },
  bytesMax: number,
): Promise<Buffer> {
  // A raw body parser of the user's app (express.raw) may have been there before us.
  if (req.readableDidRead) return rawBody(req.body, bytesMax);
  const encoding = (req.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding !== 'identity') {
    throw new TasktrailError('ERR_ENCODING_UNSUPPORTED', 'send the body without Content-Encoding');
  }
  if (Number(req.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Left undestroyed when it is too large: node discards the rest once we have answered, so the client can read why.
    const body: AsyncIterable<Buffer> = req.iterator({ destroyOnReturn: false });
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge(bytesMax);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof TasktrailError) throw error;
    // The client went away in the middle: nothing of ours failed, and nobody reads the answer.
    throw new TasktrailError('ERR_INPUT_INVALID', 'the body ended early', { cause: error });
  }
  return Buffer.concat(chunks);
}

function rawBody(body: unknown, bytesMax: number): Buffer {
  if (Buffer.isBuffer(body)) {
    if (body.length > bytesMax) throw tooLarge(bytesMax);
    return body;
  }
  throw new TasktrailError(
    'ERR_NOT_CONFIGURED',
    'a body parser has read the request before us: mount this before express.json(), or use express.raw() for its path',
  );
}

function tooLarge(bytesMax: number): TasktrailError {
  return new TasktrailError('ERR_TOO_LARGE', `a body is at most ${bytesMax} bytes`);
}
