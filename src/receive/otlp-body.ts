import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { messageOf, TasktrailError } from '../errors.ts';
import {
  type BodyLimits,
  bodyCutShort,
  bodyTooLarge,
  checkLength,
  collectBody,
} from '../system/http/bounded-body.ts';
import { requestTooLarge } from './outline/limits.ts';

/** HTTP's "deflate" is the zlib format (RFC 9110, section 8.4.1.2). */
const INFLATERS: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', () => createGunzip()],
  // An old name of the same encoding, which a recipient must take for it (RFC 9110, section 8.4.1.3).
  ['x-gzip', () => createGunzip()],
  ['deflate', () => createInflate()],
  ['zlib', () => createInflate()],
]);

/** Names of no encoding. `none` is OpenTelemetry's word in settings, and reaches the header. */
const PLAIN: ReadonlySet<string> = new Set(['', 'identity', 'none']);

/**
 * The whole body, inflated. The limit holds for the bytes as sent and as inflated. Reading stops there; Node discards the
 * rest of the request after the answer, so that the sender can read it.
 */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const { bytesMax } = limits;
  let inflater: Transform | undefined;
  try {
    checkLength(request.headers, bytesMax);
    inflater = openInflater(request.headers['content-encoding']);
    if (inflater === undefined) return await collectBody(request, limits);
    const opened = inflater;
    let sent = 0;
    request.on('data', (chunk: Buffer) => {
      sent += chunk.length;
      if (sent > bytesMax) opened.destroy(bodyTooLarge(bytesMax));
    });
    request.on('close', () => {
      if (!request.complete) opened.destroy(bodyCutShort());
    });
    // `collectBody` rejects with the first error; a later one has no other listener.
    inflater.on('error', () => {});
    return await collectBody(request.pipe(inflater), limits);
  } catch (error) {
    if (error instanceof TasktrailError)
      throw error.code === 'ERR_TOO_LARGE' ? requestTooLarge(error.message) : error;
    throw new TasktrailError('ERR_INPUT_INVALID', `malformed body: ${messageOf(error)}`, { cause: error });
  } finally {
    inflater?.destroy();
  }
}

function openInflater(header: string | undefined): Transform | undefined {
  const encodings = (header ?? '').split(',').map((name) => name.trim().toLowerCase());
  const applied = encodings.filter((name) => !PLAIN.has(name));
  if (applied.length === 0) return undefined;
  const open = applied.length === 1 ? INFLATERS.get(applied[0] ?? '') : undefined;
  if (open !== undefined) return open();
  throw new TasktrailError(
    'ERR_ENCODING_UNSUPPORTED',
    'unsupported Content-Encoding: send gzip, deflate or identity',
  );
}
