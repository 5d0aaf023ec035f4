import type { IncomingMessage } from 'node:http';
import { bearerTokenOf, isAnyOf } from '../model/secret.ts';
import { ProblemError } from './problem.ts';

const BASIC = /^Basic +([^\s]+) *$/i;
const COLON = 0x3a;

const BEARER_CHALLENGE = 'Bearer realm="tasktrail"';
/** RFC 7617, 2.1: without the charset, browsers differ in how they send what is not ASCII. */
const BASIC_CHALLENGE = 'Basic realm="tasktrail", charset="UTF-8"';

/**
 * A check that throws `ERR_UNAUTHORIZED` unless the request carries `Authorization: Bearer <token>` or, to GET and HEAD
 * only, the token as the password of HTTP Basic (RFC 7617) with any user name: a link cannot carry a bearer token.
 * Browsers are asked for the password; programs are not offered it.
 */
export function createTokenCheck(token: string): (req: IncomingMessage) => void {
  // An empty setting is a mistake: it would look like protection, and accept an empty password.
  if (token === '') throw new TypeError('token must not be empty');
  return (req) => {
    const given = givenToken(req);
    if (given !== undefined && isAnyOf([token], given)) return;
    const message = given === undefined ? 'send "Authorization: Bearer <token>"' : 'the token is wrong';
    const challenges =
      isRead(req) && wantsHtml(req) ? [BEARER_CHALLENGE, BASIC_CHALLENGE] : [BEARER_CHALLENGE];
    throw new ProblemError('ERR_UNAUTHORIZED', message, {
      problem: { headers: { 'WWW-Authenticate': challenges } },
    });
  };
}

function givenToken(req: IncomingMessage): string | Buffer | undefined {
  const { authorization } = req.headers;
  const bearer = bearerTokenOf(authorization);
  if (bearer !== undefined) return bearer;
  const basic = BASIC.exec(authorization ?? '')?.[1];
  return basic !== undefined && isRead(req) ? passwordIn(basic) : undefined;
}

/** A browser sends a stored password automatically, also for another site's page: such a request must not change anything. */
function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

function wantsHtml({ headers }: IncomingMessage): boolean {
  return headers.accept?.toLowerCase().includes('text/html') ?? false;
}

/** The bytes after the first colon. A user name has no colon, a password may have one. */
function passwordIn(credentials: string): Buffer | undefined {
  const bytes = Buffer.from(credentials, 'base64');
  // Node skips characters that are not base64. Such credentials are refused.
  if (bytes.toString('base64') !== credentials) return undefined;
  const colon = bytes.indexOf(COLON);
  return colon < 0 ? undefined : bytes.subarray(colon + 1);
}
