import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ANSWER_HEADERS } from '../serve/problem.ts';

/** The handler looks at method, headers and body alone. */
const URL_OF_REQUEST = 'http://localhost/mcp';

/** A request of Node as one of the Fetch Standard. */
export function webRequest(req: IncomingMessage, body: Buffer, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers))
    for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one);
  // The body has been read, and is not compressed.
  headers.delete('transfer-encoding');
  return new Request(URL_OF_REQUEST, { method: 'POST', headers, body: new Uint8Array(body), signal });
}

/** Sends an answer of the Fetch Standard. Resolves also when the client has gone. */
export async function sendWebResponse(response: Response, res: ServerResponse): Promise<void> {
  res.writeHead(response.status, { ...Object.fromEntries(response.headers), ...ANSWER_HEADERS });
  if (response.body === null) {
    res.end();
    return;
  }
  // Errors of the connection: the client has gone.
  await pipeline(Readable.fromWeb(response.body as import('node:stream/web').ReadableStream), res).catch(
    () => {},
  );
}
