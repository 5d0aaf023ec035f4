import type { IncomingMessage, ServerResponse } from 'node:http';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import { TasktrailError } from '../errors.ts';
import { parseJson } from '../model/json.ts';
import { ProblemError } from '../serve/problem.ts';
import { readBodyWithin } from '../serve/request-body.ts';
import { createHandler, type HttpHandler } from '../serve/routes.ts';
import { checkOrigin, checkPage } from '../system/http/origin.ts';
import type { McpServerOptions } from './mcp-server.ts';
import { sendWebResponse, webRequest } from './web-exchange.ts';

/** Many times the arguments of a call, and no work to parse. */
const BODY_BYTES_MAX = 65_536;

const BODY_TIMEOUT_MS = 10_000;

/** Requests that are read or answered at the same time. Calls among them wait for each other (`WorkGate`). */
const REQUESTS_MAX = 64;

export interface ServeMcpOptions extends McpServerOptions {
  /** When given, requests need `Authorization: Bearer <token>`. */
  readonly token?: string | undefined;
  /** Origins whose pages may ask. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
}

/**
 * `POST /mcp`: the Model Context Protocol over streamable HTTP, without sessions: each request is answered on its own, in the
 * revision that it speaks. GET and DELETE, which belong to sessions, are answered with 405.
 */
export function serveMcp(options: ServeMcpOptions): HttpHandler {
  const { token, corsOrigins = [], onError } = options;
  let loading: Promise<McpHttpHandler> | undefined;
  let open = 0;
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    checkSender(req, { token, corsOrigins });
    if (open >= REQUESTS_MAX) throw busy();
    open += 1;
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    try {
      const body = await readBodyWithin(req, { bytesMax: BODY_BYTES_MAX, timeoutMs: BODY_TIMEOUT_MS });
      checkBatch(body);
      loading ??= loadHandler(options).catch((error: unknown) => {
        // The next request tries again: too many files may have been open.
        loading = undefined;
        throw error;
      });
      const { fetch } = await loading;
      await sendWebResponse(await fetch(webRequest(req, body, gone.signal)), res);
    } catch (error) {
      // The client has gone, so there is no one to answer.
      if (!gone.signal.aborted) throw error;
    } finally {
      open -= 1;
    }
  };
  return createHandler({ '/mcp': { POST: answer } }, { token, onError });
}

/** The SDK is loaded for the first request: most services have none. */
async function loadHandler(options: McpServerOptions): Promise<McpHttpHandler> {
  const [{ createMcpHandler }, { createServerFactory }] = await Promise.all([
    import('@modelcontextprotocol/server'),
    import('./mcp-server.ts'),
  ]);
  return createMcpHandler(createServerFactory(options), {
    // Nothing that a client could subscribe to changes.
    maxSubscriptions: 0,
    maxRequestBodySize: BODY_BYTES_MAX,
  });
}

/** As REST, but for the status: streamable HTTP answers a wrong `Origin` with 403, with a token too. */
function checkSender(
  req: IncomingMessage,
  { token, corsOrigins = [] }: Pick<ServeMcpOptions, 'token' | 'corsOrigins'>,
): void {
  const page = { what: 'MCP', origins: corsOrigins };
  try {
    if (token === undefined) checkOrigin(req, page);
    else checkPage(req, page);
  } catch (error) {
    if (!(error instanceof TasktrailError)) throw error;
    const problem = { status: 403, type: 'forbidden', title: 'Not for this page', headers: {} };
    throw new ProblemError(error.code, error.message, { problem });
  }
}

/** Batches are no longer part of MCP (2025-06-18): in one, a small request could ask for hundreds of calls. */
function checkBatch(body: Buffer): void {
  const text = body.toString('utf8').trimStart();
  if (text.startsWith('[') && Array.isArray(parseJson(text)))
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      'batches are not part of MCP: send one message in a request',
    );
}

function busy(): ProblemError {
  return new ProblemError('ERR_BUSY', `${REQUESTS_MAX} requests are being answered: ask again later`, {
    retryable: true,
    problem: { title: 'Too many requests of MCP' },
  });
}
