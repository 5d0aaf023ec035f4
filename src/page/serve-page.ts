import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { TasktrailError } from '../errors.ts';
import { checkId } from '../model/ids.ts';
import { streamText } from '../serve/json-response.ts';
import { notFound } from '../serve/problem.ts';
import { checkNoQuery } from '../serve/query.ts';
import { createHandler, type HttpHandler, type Methods, type RoutedRequest } from '../serve/routes.ts';
import { type Asset, type PageFiles, readPageFiles } from './assets.ts';
import { type RunReader, runFile } from './run-file/run-file.ts';
import { POLICY as RUN_POLICY } from './run-file/style.ts';
import { sessionRoutes } from './session-routes.ts';

export interface PageOptions {
  /** The path of the REST API as the browser sees it. Default `/api`. */
  readonly apiPath?: string | undefined;
  /** The token of the API: the page asks for it, and keeps a cookie. */
  readonly token?: string | undefined;
  /** What `GET /tasks/{id}/export` reads. Without it there is no such path. */
  readonly reader?: RunReader | undefined;
  /** Throws for a request that may not read a run, although there is no token. Default: all may. */
  readonly checkRequest?: ((req: IncomingMessage) => void) | undefined;
  /** Whether nothing comes behind the page: a browser that opens an unknown address gets it, with 404. Default: no. */
  readonly isLast?: boolean | undefined;
  /** Folder of the built page. Default: that of the package. */
  readonly folder?: string | undefined;
  /** Receives internal errors. Default: a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * Paths of the page: the script shows what the address says. The source of its view, where that is loaded on demand: the
 * document names its scripts, so that a browser does not find them one after the other.
 */
const VIEWS: Readonly<Record<string, string>> = {
  '/': '',
  '/tasks/:id': 'run/run-view.tsx',
  '/workflows': 'workflows/workflows-view.tsx',
  '/workflows/:id': 'workflows/workflow-view.tsx',
  '/deliveries': 'deliveries/deliveries-view.tsx',
  '/numbers': 'numbers/numbers-view.tsx',
  '/health': 'health/health-view.tsx',
};

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
export function servePage(options: PageOptions = {}): HttpHandler {
  const { apiPath = '/api', token, isLast = false, folder = FOLDER, onError } = options;
  let files: PageFiles | undefined;
  const load = (): PageFiles | undefined => {
    files ??= readPageFiles(folder);
    return files;
  };
  const sendDocument = (
    req: RoutedRequest,
    res: ServerResponse,
    { status, view = '' }: { readonly status: number; readonly view?: string },
  ): void => {
    const built = load();
    if (built === undefined) {
      sendNotBuilt(req, res);
      return;
    }
    const scripts = (built.scripts.get(view) ?? []).filter((file) => !built.document.includes(file));
    const links = scripts.map((file) => `  <link rel="modulepreload" crossorigin href="./${file}">\n  `);
    const document = built.document
      .replace('</head>', () => `${links.join('')}</head>`)
      .replace('<base href="/"', () => `<base href="${attribute(`${req.baseUrl}/`)}"`)
      .replace(
        'name="tasktrail-api" content="/api"',
        () => `name="tasktrail-api" content="${attribute(apiPath)}"`,
      );
    const body = Buffer.from(document);
    res.writeHead(status, { ...DOCUMENT_HEADERS, 'Content-Length': body.length });
    res.end(req.method === 'HEAD' ? undefined : body);
  };
  const sendAsset = (req: RoutedRequest, res: ServerResponse): void => {
    const asset = load()?.assets.get(String(req.params.name));
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
  const views = Object.fromEntries(
    Object.entries(VIEWS).map(([path, view]): [string, Methods] => [
      path,
      { GET: (req, res) => sendDocument(req, res, { status: 200, view }) },
    ]),
  );
  const own = createHandler(
    { ...views, '/assets/:name': { GET: sendAsset }, ...sessionRoutes({ token, apiPath }) },
    { onError },
  );
  const runs = runRoutes(options);
  const handler: HttpHandler = (req, res, next) => runs(req, res, () => own(req, res, next));
  if (!isLast) return handler;
  return (req, res, next) =>
    handler(req, res, () => {
      const isPage = isOpenedInBrowser(req) && !isBelow(req.url, apiPath);
      if (isPage) sendDocument(Object.assign(req, { params: {}, baseUrl: '' }), res, { status: 404 });
      else if (next === undefined) notFound(req, res);
      else next();
    });
}

/** What the page hands out beside the API: data, so the token is asked for. */
function runRoutes({ reader, checkRequest, token, onError }: PageOptions): HttpHandler {
  if (reader === undefined) return (_req, _res, next) => next?.();
  const sendRun = async (req: RoutedRequest, res: ServerResponse): Promise<void> => {
    checkRequest?.(req);
    const id = checkId('task id', req.params.id);
    checkNoQuery(req);
    const text = await runFile(reader, id);
    if (text === undefined) throw new TasktrailError('ERR_NOT_FOUND', `there is no task ${id}`);
    await streamText(res, text, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Disposition': `attachment; filename="${id}.html"`,
      'Content-Security-Policy': `${RUN_POLICY}; frame-ancestors 'none'; sandbox`,
      'Referrer-Policy': 'no-referrer',
    });
  };
  return createHandler({ '/tasks/:id/export': { GET: sendRun } }, { token, takesCookie: true, onError });
}

/** A checkout before its first build. */
function sendNotBuilt({ method }: IncomingMessage, res: ServerResponse): void {
  const text = 'The page is not built. Run "npm run build" in the checkout. The REST API works without it.\n';
  res.writeHead(503, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': text.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  res.end(method === 'HEAD' ? undefined : text);
}

/** Whether a person has opened the address, and no program asks. */
function isOpenedInBrowser({ method, headers }: IncomingMessage): boolean {
  const isRead = method === 'GET' || method === 'HEAD';
  return isRead && headers['sec-fetch-mode'] === 'navigate' && headers.accept?.includes('text/html') === true;
}

function isBelow(url: string | undefined, path: string): boolean {
  return `${url?.split('?', 1)[0]}/`.startsWith(`${path}/`);
}

function bodyFor({ headers }: IncomingMessage, { bodies }: Asset): readonly [string, Buffer] {
  const accepted = String(headers['accept-encoding'] ?? '')
    .toLowerCase()
    .split(',')
    .map((one) => one.split(';').map((part) => part.trim()))
    // RFC 9110, 12.4.2: a weight of 0 says that it is not taken.
    .filter(([, weight]) => weight === undefined || !/^q=0(?:\.0{0,3})?$/.test(weight))
    .map(([encoding]) => encoding);
  for (const encoding of ['br', 'gzip']) {
    const body = bodies[encoding];
    if (body !== undefined && accepted.includes(encoding)) return [encoding, body];
  }
  return ['identity', bodies.identity ?? Buffer.alloc(0)];
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
