import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A received request with its complete body. */
export interface Passing {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export type Treatment =
  | { readonly kind: 'pass' }
  | { readonly kind: 'answer'; readonly status: number; readonly body?: string; readonly etag?: string }
  /** The connection breaks before the answer. */
  | { readonly kind: 'cut' }
  /** The connection breaks in the middle of the answer. */
  | { readonly kind: 'cut answer' }
  /** The request gets no answer. */
  | { readonly kind: 'silence' };

export interface ProxyServer {
  readonly endpoint: string;
  readonly seen: Passing[];
  treat: (passing: Passing) => Treatment | Promise<Treatment>;
}

export const PASS: Treatment = { kind: 'pass' };

/** A proxy in front of a real server that injects network failures. */
export async function startProxy(target: string): Promise<ProxyServer> {
  const seen: Passing[] = [];
  const server = createServer((req, res) => {
    // Expected: some tests make the client give up.
    void handle(req, res).catch(() => req.destroy());
  });
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const passing = {
      ...{ method: req.method ?? '', path: req.url ?? '', headers: req.headers },
      body: Buffer.concat(chunks),
    };
    seen.push(passing);
    const treatment = await proxy.treat(passing);
    switch (treatment.kind) {
      case 'answer':
        if (treatment.etag !== undefined) res.setHeader('etag', treatment.etag);
        res.writeHead(treatment.status, { 'content-type': 'application/xml' }).end(treatment.body);
        return;
      case 'cut':
        req.socket.destroy();
        return;
      case 'silence':
        return;
      default:
        forward(target, passing, (answer) => {
          if (treatment.kind === 'pass') {
            res.writeHead(answer.statusCode ?? 502, answer.headers);
            answer.pipe(res);
            return;
          }
          res.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.once('data', (chunk: Buffer) => {
            res.write(chunk.subarray(0, chunk.length / 2), () => req.socket.destroy());
            answer.destroy();
          });
        });
    }
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const proxy: ProxyServer = { endpoint: `http://127.0.0.1:${port}`, seen, treat: () => PASS };
  return proxy;
}

function forward(target: string, passing: Passing, onAnswer: (answer: IncomingMessage) => void): void {
  const { hostname, port } = new URL(target);
  // Keeps the received headers, including the host: they are signed.
  const { method, path, headers } = passing;
  const out = request({ hostname, port, method, path, headers }, onAnswer);
  out.end(passing.body);
}

export const SLOW_DOWN =
  '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

export const NOT_IMPLEMENTED =
  '<?xml version="1.0"?><Error><Code>NotImplemented</Code><Message>A header is not implemented.</Message></Error>';
