import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../errors.ts';

const BEARER = /^Bearer +([^\s]+) *$/i;

/**
 * A check that throws `ERR_UNAUTHORIZED` unless the request carries `Authorization: Bearer <token>`. Digests are
 * compared, so neither the token's content nor its length shows in the time taken.
 */
export function createTokenCheck(token: string): (req: IncomingMessage) => void {
  // An empty token would be a guard that looks set and lets nobody, or everybody, in.
  if (token === '') throw new TypeError('token must not be empty');
  const expected = digest(token);
  return (req) => {
    const given = BEARER.exec(req.headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
    throw new TasktrailError(
      'ERR_UNAUTHORIZED',
      given === undefined ? 'send "Authorization: Bearer <token>"' : 'the token is not the right one',
    );
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
