import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import { isAnyOf } from '../model/secret.ts';

/** Seconds. A browser that is used once a week stays logged in. */
export const SESSION_SECONDS: number = 7 * 24 * 3_600;

/** `<expiry>.<random>.<mac>`: seconds since 1970, 96 bits, and the first 192 bits of an HMAC. */
const VALUE = /^(\d{1,12})\.([\w-]{16})\.([\w-]{32})$/;

/** Of requests that change something: see `pageKey`. */
export const PAGE_KEY_HEADER = 'tasktrail-page-key';

/** A browser sends one. Others of the same name may have been set by a page of a parent domain. */
const COOKIES_MAX = 8;

/** Ended sessions that are remembered until they expire. Only a session can end itself. */
const ended = new LRUCache<string, true>({ max: 10_000, ttl: SESSION_SECONDS * 1_000 });

/** Sessions of browsers, without state: the cookie carries its expiry, signed with a key made from the token. */
export interface Sessions {
  /** The value of a new cookie. */
  begin(): string;
  /** Whether the request carries the cookie of a session that is open. */
  isOpen(req: IncomingMessage): boolean;
  /**
   * What the page sends beside the cookie with this value to change something. The browser shows the cookie to each server of
   * this host, whatever its port; the page keeps the key where only its own origin reads.
   */
  pageKey(value: string): string;
  /** Whether the request carries the key of its session. */
  isOfPage(req: IncomingMessage): boolean;
  /** Ends the sessions that the request carries, in this process. */
  end(req: IncomingMessage): void;
  /** The header `Set-Cookie`: with a value, or without one to remove the cookie. */
  cookie(value: string | undefined, place: CookiePlace): string;
}

export interface CookiePlace {
  /** The path below which the browser sends it. */
  readonly path: string;
  /** Whether the browser sends it over TLS only. */
  readonly isSecure: boolean;
}

/** Another token gives another key: it ends all sessions. `now`: milliseconds since 1970. */
export function createSessions(token: string, now: () => number = () => Date.now()): Sessions {
  const key = createHmac('sha256', token).update('tasktrail: key of sessions').digest();
  const macOf = (text: string): string =>
    createHmac('sha256', key).update(text).digest('base64url').slice(0, 32);
  // Browsers send a cookie of this host to all its ports: each service has a name of its own.
  const name = `tasktrail-${macOf('name').slice(0, 8)}`;
  const isGood = (value: string): boolean => {
    const [, expiry = '', random = '', given = ''] = VALUE.exec(value) ?? [];
    if (given === '' || !isAnyOf([macOf(`${expiry}.${random}`)], given)) return false;
    const seconds = Number(expiry) - now() / 1_000;
    // A clock that was set back must not make a session longer.
    return seconds > 0 && seconds <= SESSION_SECONDS && !ended.has(value);
  };
  const pageKey = (value: string): string => macOf(`page of ${value}`);
  const openOnes = (req: IncomingMessage): readonly string[] => valuesOf(req, name).filter(isGood);
  return {
    begin: () => {
      const text = `${Math.floor(now() / 1_000) + SESSION_SECONDS}.${randomBytes(12).toString('base64url')}`;
      return `${text}.${macOf(text)}`;
    },
    isOpen: (req) => openOnes(req).length > 0,
    pageKey,
    isOfPage: (req) => {
      const given = String(req.headers[PAGE_KEY_HEADER] ?? '');
      return openOnes(req).some((value) => isAnyOf([pageKey(value)], given));
    },
    end: (req) => {
      for (const value of openOnes(req)) ended.set(value, true);
    },
    cookie: (value = '', { path, isSecure }) => {
      const age = value === '' ? 0 : SESSION_SECONDS;
      const secure = isSecure ? '; Secure' : '';
      return `${name}=${value}; Path=${path}; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`;
    },
  };
}

function valuesOf({ headers }: IncomingMessage, name: string): readonly string[] {
  const values: string[] = [];
  for (const pair of (headers.cookie ?? '').split(';')) {
    const text = pair.trim();
    if (text.startsWith(`${name}=`)) values.push(text.slice(name.length + 1));
    if (values.length === COOKIES_MAX) break;
  }
  return values;
}
