import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../errors.ts';
import { bearerTokenOf, isAnyOf } from '../model/secret.ts';
import { checkOwnPage } from '../system/http/origin.ts';
import { mediaTypeOf } from './json-body.ts';
import { ProblemError } from './problem.ts';
import { createSessions, type Sessions } from './session.ts';

const BASIC = /^Basic +([^\s]+) *$/i;
const COLON = 0x3a;

const BEARER_CHALLENGE = 'Bearer realm="tasktrail"';
/** RFC 7617, 2.1: without the charset, browsers differ in how they send what is not ASCII. */
const BASIC_CHALLENGE = 'Basic realm="tasktrail", charset="UTF-8"';

export interface TokenCheckOptions {
  /** Whether the cookie of the page's login counts. Default: it does not. */
  readonly takesCookie?: boolean | undefined;
}

/**
 * A check that throws `ERR_UNAUTHORIZED` unless the request carries `Authorization: Bearer <token>` or, to GET and HEAD
 * only, the token as the password of HTTP Basic (RFC 7617) with any user name: a link cannot carry a bearer token. With
 * `takesCookie` the cookie of a login counts as well, from a page of this origin. Browsers are asked for the password where
 * a link is opened; programs and scripts are not offered it.
 */
export function createTokenCheck(
  token: string,
  { takesCookie = false }: TokenCheckOptions = {},
): (req: IncomingMessage) => void {
  // An empty setting is a mistake: it would look like protection, and accept an empty password.
  if (token === '') throw new TypeError('token must not be empty');
  const sessions = takesCookie ? createSessions(token) : undefined;
  return (req) => {
    const given = givenToken(req);
    if (given !== undefined && isAnyOf([token], given)) return;
    // A wrong bearer token is refused. A password is added by the browser, which may keep one for longer than it is good.
    const isBearer = bearerTokenOf(req.headers.authorization) !== undefined;
    if (!isBearer && sessions?.isOpen(req)) return checkSessionUse(req, sessions);
    const message = given === undefined ? 'send "Authorization: Bearer <token>"' : 'the token is wrong';
    const challenges =
      isRead(req) && isNavigation(req) ? [BEARER_CHALLENGE, BASIC_CHALLENGE] : [BEARER_CHALLENGE];
    throw new ProblemError('ERR_UNAUTHORIZED', message, {
      problem: { headers: { 'WWW-Authenticate': challenges } },
    });
  };
}

/**
 * A browser adds the cookie to requests of every page of this host, whatever its port: what a page of another origin asks
 * for is refused. Another site's page cannot send `application/json` without a preflight, which is never granted. A server
 * on another port has got the cookie from the browser as well: it has no key of the page.
 */
function checkSessionUse(req: IncomingMessage, sessions: Sessions): void {
  checkOwnPage(req, { what: 'the API', isRead: isRead(req) });
  if (isRead(req)) return;
  if (mediaTypeOf(req) !== 'application/json')
    throw new TasktrailError('ERR_TYPE_UNSUPPORTED', 'a page must send Content-Type: application/json');
  if (!sessions.isOfPage(req))
    throw new TasktrailError('ERR_UNAUTHORIZED', 'the key of this login is missing: log in on this page');
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

/** Whether a person has opened the address: a script could not answer the dialog that a browser shows. */
function isNavigation({ headers }: IncomingMessage): boolean {
  const mode = headers['sec-fetch-mode'];
  if (mode !== undefined && mode !== 'navigate') return false;
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
