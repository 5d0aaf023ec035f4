import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../../errors.ts';
import { isLoopback } from '../../model/loopback.ts';
import { firstOfText } from '../../model/text.ts';

export interface OriginOptions {
  /** What is asked for, in words: `the API`. */
  readonly what: string;
  /** Origins whose pages may ask, as browsers write them. */
  readonly origins: readonly string[];
}

/** A host as browsers and clients write it: a name, an IPv4 address, or an IPv6 address in brackets; then a port. */
const AUTHORITY = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,255})(?::\d{1,5})?$/;

/** 127.0.0.0/8 as an IPv6 address, as the URL parser writes it. */
const MAPPED_LOOPBACK = /^::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}$/;

/**
 * Throws `ERR_UNAUTHORIZED` for a request that a web page may have sent. A page can make a name of its own resolve to this
 * machine (DNS rebinding); the browser still sends that name as `Host`. A page can also send a simple request to any
 * address; the browser names the page in `Origin` or `Sec-Fetch-Site`. For requests without a token: a page knows none.
 */
export function checkOrigin(req: IncomingMessage, { what, origins }: OriginOptions): void {
  // RFC 9112, 3.2: of two hosts each reader may believe another one.
  if (countOf(req, 'host') > 1) throw new TasktrailError('ERR_INPUT_INVALID', 'Host must be sent once');
  // HTTP/1.0 has no Host. Every browser sends one.
  const host = (req.headers.host ?? 'localhost').toLowerCase();
  for (const authority of [targetOf(req), host]) {
    if (authority !== undefined && !isLoopbackAuthority(authority)) throw foreignHost(authority, what);
  }
  checkPage(req, { what, origins });
}

/** The half of `checkOrigin` that looks at the page alone, for requests under any name of this host. */
export function checkPage(req: IncomingMessage, { what, origins }: OriginOptions): void {
  const { origin, host = 'localhost' } = req.headers;
  if (origin !== undefined) {
    if (!isSameOrigin(origin, host.toLowerCase()) && !origins.includes(origin))
      throw foreignPage(origin, what);
  } else if (isFromOtherPage(req)) throw foreignPage('another site', what);
}

export interface OwnPageOptions {
  /** What is asked for, in words: `the API`. */
  readonly what: string;
  /** Whether the request only reads: a link of another page may lead here. */
  readonly isRead: boolean;
}

/**
 * Throws `ERR_UNAUTHORIZED` unless a page of this very origin, port included, has sent the request. For requests whose
 * rights the browser adds itself (a cookie). What reads may also come from no page at all; what changes something needs
 * `Origin` or `Sec-Fetch-Site`, which each browser sends.
 */
export function checkOwnPage(req: IncomingMessage, { what, isRead }: OwnPageOptions): void {
  if (countOf(req, 'host') > 1) throw new TasktrailError('ERR_INPUT_INVALID', 'Host must be sent once');
  const { origin, host = '', 'sec-fetch-site': site, 'sec-fetch-mode': mode } = req.headers;
  if (origin !== undefined && !isOwnOrigin(origin, host.toLowerCase(), isOverTls(req)))
    throw otherPage(origin, what);
  const isLink = isRead && mode === 'navigate';
  // `none`: the person typed the address.
  const isOwnSite = site === 'same-origin' || (isRead && (site === 'none' || isLink));
  if (site === undefined ? origin === undefined && !isRead : !isOwnSite)
    throw otherPage('another site', what);
}

/**
 * Whether the browser speaks TLS, to this server or to a proxy in front. A client that invents `X-Forwarded-Proto` gets
 * stricter rules for itself: never use this to allow something.
 */
export function isOverTls(req: IncomingMessage): boolean {
  if ('encrypted' in req.socket && req.socket.encrypted === true) return true;
  const forwarded = String(req.headers['x-forwarded-proto'] ?? '').split(',', 1)[0];
  return forwarded?.trim().toLowerCase() === 'https';
}

function isOwnOrigin(origin: string, host: string, isTls: boolean): boolean {
  return isSameOrigin(origin, host) && (!isTls || origin.startsWith('https:'));
}

/** Whether a `Host` names this machine. Only the usual forms count: numbers like `2130706433` and `0.0.0.0` do not. */
export function isLoopbackAuthority(authority: string): boolean {
  const host = AUTHORITY.exec(authority)?.[1];
  if (host === undefined) return false;
  if (!host.startsWith('[')) return isLoopback(host.endsWith('.') ? host.slice(0, -1) : host);
  const address = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname.slice(1, -1) : '';
  return isLoopback(address) || MAPPED_LOOPBACK.test(address);
}

/** The host of a request target in absolute form, which proxies get: it counts more than `Host` (RFC 9112, 3.2.2). */
function targetOf({ url = '/', method }: IncomingMessage): string | undefined {
  if (url.startsWith('/') || (url === '*' && method === 'OPTIONS')) return undefined;
  const host = URL.canParse(url) ? new URL(url).host : '';
  return host === '' ? firstOfText(url, 100).toLowerCase() : host;
}

function isSameOrigin(origin: string, host: string): boolean {
  // Behind a proxy of this machine that ends TLS the scheme differs.
  return ['http:', 'https:'].some((scheme) => {
    const own = `${scheme}//${host}`;
    return URL.canParse(own) && new URL(own).origin === origin;
  });
}

/** Fetch Metadata (W3C): simple requests of a page for an image or a script have no `Origin`. A link may lead here. */
function isFromOtherPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return (site === 'cross-site' || site === 'same-site') && headers['sec-fetch-mode'] !== 'navigate';
}

/** Frameworks with their own request class may keep only one value of each header. */
function countOf(req: IncomingMessage, name: string): number {
  const distinct: NodeJS.Dict<string[]> | undefined = req.headersDistinct;
  return distinct?.[name]?.length ?? 0;
}

function foreignHost(host: string, what: string): TasktrailError {
  return new TasktrailError(
    'ERR_UNAUTHORIZED',
    `${JSON.stringify(firstOfText(host, 100))} is not a loopback name: set TASK_LOGS_API_TOKEN to serve ${what} under it`,
  );
}

function foreignPage(page: string, what: string): TasktrailError {
  return new TasktrailError(
    'ERR_UNAUTHORIZED',
    `a page of ${JSON.stringify(firstOfText(page, 100))} may not ask for ${what}: name its origin in TASK_LOGS_CORS_ORIGINS`,
  );
}

function otherPage(page: string, what: string): TasktrailError {
  return new TasktrailError(
    'ERR_UNAUTHORIZED',
    `a page of ${JSON.stringify(firstOfText(page, 100))} may not use the login of ${what}: send the token`,
  );
}
