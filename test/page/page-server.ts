import { createServer } from 'node:http';
import { servePage } from '../../src/page/serve-page.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { serveMetrics } from '../../src/serve/metrics.ts';
import type { HttpHandler } from '../../src/serve/routes.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { type Ask, ask, type Got, listen, tempDir, writeTask } from '../serve/log-server.ts';

export const TOKEN = 'a-token-of-the-tests';

export interface PageServer {
  readonly port: number;
  readonly origin: string;
  /** What reached the queue. */
  readonly taken: unknown[];
  /** Logs in and returns the header `Cookie`. */
  logIn(more?: Ask): Promise<string>;
  /** Logs in as the page does: the headers of its requests. */
  logInPage(): Promise<PageHeaders>;
  ask(path: string, how?: Ask): Promise<Got>;
}

export interface PageHeaders extends Record<string, string> {
  readonly cookie: string;
  readonly 'tasktrail-page-key': string;
}

/** The page at `/` and the API at `/api` of a directory with one task, as the service mounts them. */
export async function servePageAndApi(token: string = TOKEN): Promise<PageServer> {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: { task_id: 'task-1' } });
  const taken: unknown[] = [];
  const intake = {
    submit: async (order: unknown) => {
      taken.push(order);
      return { taskId: 'task-2' };
    },
    cancel: async (taskId: string) => {
      taken.push(taskId);
      return 'cancelled' as const;
    },
  };
  const logs = serveLogs({ reader: createReader(dir), intake, token });
  const metrics = serveMetrics({ readText: async () => 'up 1\n', token });
  const page = servePage({ token });
  const below =
    (path: string, handler: HttpHandler): HttpHandler =>
    (req, res, next) => {
      if (req.url?.startsWith(`${path}/`) !== true) return next?.();
      req.url = req.url.slice(path.length);
      handler(req, res);
    };
  const server = createServer((req, res) =>
    below('/api', logs)(req, res, () => metrics(req, res, () => page(req, res))),
  );
  const port = await listen(server);
  const origin = `http://127.0.0.1:${port}`;
  const asks = (path: string, how: Ask = {}): Promise<Got> => ask(port, path, how);
  const logIn = async (more: Ask = {}): Promise<string> => {
    const got = await asks('/login', loginRequest(token, more));
    return cookieOf(got);
  };
  const logInPage = async (): Promise<PageHeaders> => {
    const got = await asks('/login', loginRequest(token));
    const { page_key } = got.json() as { page_key: string };
    return { cookie: cookieOf(got), 'tasktrail-page-key': page_key };
  };
  return { port, origin, taken, logIn, logInPage, ask: asks };
}

export function loginRequest(token: unknown, more: Ask = {}): Ask {
  const headers = { 'content-type': 'application/json', ...more.headers };
  return { method: 'POST', body: JSON.stringify({ token }), ...more, headers };
}

/** The header `Cookie` that answers `Set-Cookie`. */
export function cookieOf(got: Got): string {
  return setCookieOf(got).split(';', 1)[0] ?? '';
}

export function setCookieOf({ headers }: Got): string {
  return headers['set-cookie']?.[0] ?? '';
}
