import type { IncomingMessage, ServerResponse } from 'node:http';
import Router from 'router';
import { TasktrailError } from '../errors.ts';
import { allowOrigin } from '../system/http/cors.ts';
import { warn } from '../system/warning.ts';
import { notFound, sendProblem } from './problem.ts';
import { createTokenCheck } from './token.ts';

/** Mounts in Express 4 and 5. Without `next` (a plain node:http server) it answers an unknown path with 404. */
export type HttpHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

export interface RoutedRequest extends IncomingMessage {
  readonly params: Readonly<Record<string, string | string[] | undefined>>;
  /** The path where the handler is mounted; `''` at the root. */
  readonly baseUrl: string;
}

export type Answer = (req: RoutedRequest, res: ServerResponse) => Promise<void> | void;

/** Methods of the API that a page of a named origin may use. */
export const CORS_METHODS: readonly string[] = ['GET', 'HEAD', 'POST'];

const METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST'] as const;

/** The handlers of a path by method. GET also handles HEAD. */
export type Methods = Readonly<Partial<Record<(typeof METHODS)[number], Answer>>>;

export interface RouteOptions {
  /** When given, every route needs it, as a bearer token or, for GET and HEAD, as a Basic password. */
  readonly token?: string | undefined;
  /** Whether the cookie of the page's login counts as the token. Default: it does not. */
  readonly takesCookie?: boolean | undefined;
  /** Origins whose pages may ask. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Receives internal errors, which the client sees only as a 500. Default: a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Combines the routes into one handler. It answers its own paths, also after an error, and passes on all others. */
export function createHandler(routes: Readonly<Record<string, Methods>>, options: RouteOptions): HttpHandler {
  const checkToken = options.token === undefined ? undefined : createTokenCheck(options.token, options);
  const cors = { origins: options.corsOrigins ?? [], methods: CORS_METHODS };
  const onError = options.onError ?? warn;
  const router = new Router();
  for (const [path, methods] of Object.entries(routes)) {
    const answer = async (req: RoutedRequest, res: ServerResponse): Promise<void> => {
      // A preflight carries no token.
      if (allowOrigin(req, res, cors)) return;
      checkToken?.(req);
      await pickMethod(methods, req, res)(req, res);
    };
    router.all(path, (req, res) => {
      answer(req, res).catch((error: unknown) => sendProblem(res, error, onError));
    });
  }
  return (req, res, next) => {
    router(req, res, (error?: unknown) => {
      // The router decodes parameters only for a path of its own, so this error belongs to one of the routes.
      if (error instanceof URIError) sendProblem(res, badEncoding());
      else if (error) sendProblem(res, error, onError);
      else if (next === undefined) notFound(req, res);
      else next();
    });
  };
}

function pickMethod(methods: Methods, req: IncomingMessage, res: ServerResponse): Answer {
  const method = METHODS.find((name) => name === req.method);
  const answer = method === undefined ? undefined : methods[method];
  if (answer !== undefined) return answer;
  if (method === 'HEAD' && methods.GET !== undefined) return methods.GET;
  const allowed = Object.keys(methods).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
  res.setHeader('Allow', allowed.join(', '));
  throw new TasktrailError('ERR_METHOD_NOT_ALLOWED', `allowed here: ${allowed.join(', ')}`);
}

function badEncoding(): TasktrailError {
  return new TasktrailError('ERR_ID_INVALID', 'the path is not valid percent-encoding');
}
