import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { TasktrailError } from '../errors.ts';
import { createHandler, type HttpHandler, type RoutedRequest } from '../serve/routes.ts';
import { type Asset, type PageFiles, readPageFiles } from './assets.ts';
import { sessionRoutes } from './session-routes.ts';

export interface PageOptions {
  /** The path of the REST API as the browser sees it. Default `/api`. */
  readonly apiPath?: string | undefined;
  /** The token of the API: the page asks for it, and keeps a cookie. */
  readonly token?: string | undefined;
  /** Folder of the built page. Default: that of the package. */
  readonly folder?: string | undefined;
  /** Receives internal errors. Default: a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Paths of the page: the script shows what the address says. */
const VIEWS = ['/', '/tasks/:id', '/workflows', '/workflows/:id', '/deliveries', '/numbers', '/health'];

/** From `dist/page/serve-page.js` and from `src/page/serve-page.ts`. */
const FOLDER = resolve(import.meta.dirname, '../../dist/page/browser');

/**
 * Nothing is loaded from another host, nothing inline runs, and no text becomes markup but through DOMPurify. Styles of
 * elements are set by script, which the policy does not count as inline.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dompurify tasktrail',
].join('; ');

const DOCUMENT_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Cache-Control': 'no-cache',
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** The page of the browser, as files that anyone may read: all data come from the API, which asks for its token. */
export function servePage({
  apiPath = '/api',
  token,
  folder = FOLDER,
  onError,
}: PageOptions = {}): HttpHandler {
  let files: PageFiles | undefined;
  const load = (): PageFiles => {
    files ??= readPageFiles(folder);
    if (files === undefined)
      throw new TasktrailError('ERR_NOT_FOUND', 'the page is not built: run "npm run build"');
    return files;
  };
  const sendView = (req: RoutedRequest, res: ServerResponse): void => {
    const document = load()
      .document.replace('<base href="/"', `<base href="${attribute(`${req.baseUrl}/`)}"`)
      .replace('name="tasktrail-api" content="/api"', `name="tasktrail-api" content="${attribute(apiPath)}"`);
    const body = Buffer.from(document);
    res.writeHead(200, { ...DOCUMENT_HEADERS, 'Content-Length': body.length });
    res.end(req.method === 'HEAD' ? undefined : body);
  };
  const sendAsset = (req: RoutedRequest, res: ServerResponse): void => {
    const asset = load().assets.get(String(req.params.name));
    if (asset === undefined) throw new TasktrailError('ERR_NOT_FOUND', 'there is no such file of the page');
    const [encoding, body] = bodyFor(req, asset);
    res.writeHead(200, {
      'Content-Type': asset.type,
      'Content-Length': body.length,
      'Cache-Control': 'public, max-age=31536000, immutable',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
      Vary: 'Accept-Encoding',
      ...(encoding !== 'identity' && { 'Content-Encoding': encoding }),
    });
    res.end(req.method === 'HEAD' ? undefined : body);
  };
  const views = Object.fromEntries(VIEWS.map((path) => [path, { GET: sendView }]));
  return createHandler(
    { ...views, '/assets/:name': { GET: sendAsset }, ...sessionRoutes({ token, apiPath }) },
    { onError },
  );
}

function bodyFor({ headers }: IncomingMessage, { bodies }: Asset): readonly [string, Buffer] {
  const accepted = String(headers['accept-encoding'] ?? '')
    .toLowerCase()
    .split(',')
    .map((one) => one.split(';', 1)[0]?.trim());
  for (const encoding of ['br', 'gzip']) {
    const body = bodies[encoding];
    if (body !== undefined && accepted.includes(encoding)) return [encoding, body];
  }
  return ['identity', bodies.identity ?? Buffer.alloc(0)];
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
