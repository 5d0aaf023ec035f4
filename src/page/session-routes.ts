import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import { isAnyOf } from '../model/secret.ts';
import { readJsonBody } from '../serve/json-body.ts';
import { sendJson } from '../serve/json-response.ts';
import { ProblemError } from '../serve/problem.ts';
import type { Methods, RoutedRequest } from '../serve/routes.ts';
import { createSessions, SESSION_SECONDS } from '../serve/session.ts';
import { checkPage, isOverTls } from '../system/http/origin.ts';

/** Wrong tokens of one address in a minute. A person needs two or three. */
const TRIES_MAX = 10;

const TRIES_MS = 60_000;

/** Addresses that are remembered. */
const ADDRESSES_MAX = 10_000;

const LIMITS = { bytesMax: 8_192, timeoutMs: 10_000 };

const loginBody = z.strictObject({ token: z.string() });

export interface SessionRoutesOptions {
  readonly token: string | undefined;
  /** Where the API is, which needs the cookie too. */
  readonly apiPath: string;
}

/** `POST /login` and `POST /logout` of the page: the token for a cookie that no script can read, and for the key of the page. */
export function sessionRoutes({ token, apiPath }: SessionRoutesOptions): Record<string, Methods> {
  const sessions = token === undefined ? undefined : createSessions(token);
  const tries = new LRUCache<string, number>({ max: ADDRESSES_MAX, ttl: TRIES_MS, noUpdateTTL: true });
  const placeOf = (req: RoutedRequest) => ({
    path: commonPath(req.baseUrl, apiPath),
    isSecure: isOverTls(req),
  });
  const logIn = async (req: RoutedRequest, res: ServerResponse): Promise<void> => {
    checkPage(req, { what: 'the login', origins: [] });
    if (token === undefined || sessions === undefined)
      throw new TasktrailError('ERR_NOT_CONFIGURED', 'this server has no token, so it needs no login');
    const parsed = loginBody.safeParse(await readJsonBody(req, LIMITS, 'the token'));
    if (!parsed.success) throw new TasktrailError('ERR_INPUT_INVALID', 'send {"token": "..."}');
    // After the body: requests that arrive together must not all be the first.
    const address = addressOf(req);
    const failed = tries.get(address) ?? 0;
    if (failed >= TRIES_MAX) throw tooManyTries();
    if (!isAnyOf([token], parsed.data.token)) {
      tries.set(address, failed + 1);
      throw new TasktrailError('ERR_UNAUTHORIZED', 'the token is wrong');
    }
    const session = sessions.begin();
    res.setHeader('Set-Cookie', sessions.cookie(session, placeOf(req)));
    const page_key = sessions.pageKey(session);
    sendJson(res, { status: 200, value: { status: 'logged_in', expires_in: SESSION_SECONDS, page_key } });
  };
  const logOut = (req: RoutedRequest, res: ServerResponse): void => {
    checkPage(req, { what: 'the logout', origins: [] });
    sessions?.end(req);
    if (sessions !== undefined) res.setHeader('Set-Cookie', sessions.cookie(undefined, placeOf(req)));
    sendJson(res, { status: 200, value: { status: 'logged_out' } });
  };
  return { '/login': { POST: logIn }, '/logout': { POST: logOut } };
}

/** The longest path that both are below: the browser sends the cookie to the page and to the API. */
export function commonPath(mount: string, apiPath: string): string {
  const [a, b] = [mount, apiPath].map((path) => path.split('/').filter((part) => part !== ''));
  const parts: string[] = [];
  for (const [index, part] of (a ?? []).entries()) {
    if (part !== b?.[index]) break;
    parts.push(part);
  }
  const path = `/${parts.join('/')}`;
  // A pattern as the mount may let through what ends the attribute.
  return /^[\w\-./~%@:+]+$/.test(path) ? path : '/';
}

/** A network that one customer usually has (/64), so that an IPv6 host does not have 2^64 addresses. */
function addressOf({ socket }: IncomingMessage): string {
  const address = (socket.remoteAddress ?? '').split('%', 1)[0] ?? '';
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail] = address.split('::');
  const [first, last] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - (first?.length ?? 0) - (last?.length ?? 0) }, () => '0');
  return [...(first ?? []), ...zeros, ...(last ?? [])].slice(0, 4).join(':');
}

function tooManyTries(): ProblemError {
  const message = `more than ${TRIES_MAX} wrong tokens in a minute: try again later`;
  return new ProblemError('ERR_BUSY', message, {
    retryable: true,
    problem: {
      status: 429,
      type: 'too-many-tries',
      title: 'Too many tries',
      headers: { 'Retry-After': String(TRIES_MS / 1_000) },
    },
  });
}
