import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../errors.ts';

const BEARER = /^Bearer +([^\s]+) *$/i;
const BASIC = /^Basic +([^\s]+) *$/i;
const COLON = 0x3a;

const BEARER_CHALLENGE = 'Bearer realm="tasktrail"';
/** RFC 7617, 2.1: without the charset, browsers differ in how they send what is not ASCII. */
const BASIC_CHALLENGE = 'Basic realm="tasktrail", charset="UTF-8"';

/** A request without the right token. */
export class TokenRefusal extends TasktrailError {
  /** What `WWW-Authenticate` offers, one header each. */
  readonly challenges: readonly string[];

  constructor(message: string, challenges: readonly string[]) {
    super('ERR_UNAUTHORIZED', message);
    this.name = 'TokenRefusal';
    this.challenges = challenges;
  }
}

/**
 * A check that throws a `TokenRefusal` unless the request carries `Authorization: Bearer <token>` or, to GET and HEAD
 * only, the token as the password of HTTP Basic (RFC 7617) with any user name: a link cannot carry a bearer token.
 * Browsers are asked for the password; programs are not offered it. Digests are compared, so neither the token's content
 * nor its length shows in the time taken.
 */
export function createTokenCheck(token: string): (req: IncomingMessage) => void {
  // An empty token would be a guard that looks set and lets nobody, or everybody, in.
  if (token === '') throw new TypeError('token must not be empty');
  const expected = digest(token);
  return (req) => {
    const given = givenToken(req);
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
    throw new TokenRefusal(
      given === undefined ? 'send "Authorization: Bearer <token>"' : 'the token is not the right one',
      isRead(req) && wantsHtml(req) ? [BEARER_CHALLENGE, BASIC_CHALLENGE] : [BEARER_CHALLENGE],
    );
  };
}

function givenToken(req: IncomingMessage): string | Buffer | undefined {
  const authorization = req.headers.authorization ?? '';
  const bearer = BEARER.exec(authorization)?.[1];
  if (bearer !== undefined) return bearer;
  const basic = BASIC.exec(authorization)?.[1];
  return basic !== undefined && isRead(req) ? passwordIn(basic) : undefined;
}

/** A browser sends a password by itself, also when another site's page makes it ask: it must not change anything. */
function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

function wantsHtml({ headers }: IncomingMessage): boolean {
  return headers.accept?.toLowerCase().includes('text/html') ?? false;
}

/** The bytes behind the first colon: a user name has none, a password may. */
function passwordIn(credentials: string): Buffer | undefined {
  const bytes = Buffer.from(credentials, 'base64');
  // Node skips what is not base64; credentials must be what they say.
  if (bytes.toString('base64') !== credentials) return undefined;
  const colon = bytes.indexOf(COLON);
  return colon < 0 ? undefined : bytes.subarray(colon + 1);
}

function digest(secret: string | Buffer): Buffer {
  return createHash('sha256').update(secret).digest();
}
