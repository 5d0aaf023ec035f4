import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * `reset`: half of the request passes. `answer`: the request passes, its answer does not. `half`: half of the answer passes, and
 * ends as a whole one does. `slow`: the request passes when its sender has given up.
 */
export type StoreMode = 'open' | 'refuse' | 'hang' | 'reset' | 'answer' | 'half' | 'slow' | '500' | '429';

/** Longer than a service waits for VictoriaLogs before it refuses a webhook. */
const SLOW_MS = 4_000;

/** An HTTP proxy between the services and VictoriaLogs. A lease in Redis is of one address: they differ by their user. */
export class StoreProxy {
  /** By the number of the service. */
  readonly modes: [StoreMode, StoreMode] = ['open', 'open'];
  readonly #target: number;
  readonly #server: Server;
  readonly #hanging = new Map<ServerResponse, 0 | 1>();

  constructor(targetPort: number) {
    this.#target = targetPort;
    this.#server = createServer((req, res) => void this.#take(req, res).catch(() => res.destroy()));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** For service 0 or 1. */
  addressOf(service: 0 | 1): string {
    const { port } = this.#server.address() as AddressInfo;
    return `victorialogs://service${service}:password@127.0.0.1:${port}`;
  }

  /** Ends the requests that hang. */
  open(service: 0 | 1): void {
    this.modes[service] = 'open';
    for (const [res, of] of this.#hanging) {
      if (of !== service) continue;
      res.destroy();
      this.#hanging.delete(res);
    }
  }

  get hanging(): number {
    return this.#hanging.size;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #take(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const service = serviceOf(req);
    const mode = this.modes[service];
    res.on('error', () => {});
    if (mode === 'refuse') {
      req.socket.resetAndDestroy();
      return;
    }
    const pieces: Buffer[] = [];
    for await (const piece of req) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    if (mode === 'hang') {
      this.#hanging.set(res, service);
      return;
    }
    if (mode === '500' || mode === '429') {
      res.writeHead(Number(mode), { 'content-type': 'text/plain' }).end(`the storm answers ${mode}`);
      return;
    }
    // Passed on also when the sender is gone.
    if (mode === 'slow') await delay(SLOW_MS);
    this.#pass({ req, res, body }, mode);
  }

  #pass(
    {
      req,
      res,
      body,
    }: { readonly req: IncomingMessage; readonly res: ServerResponse; readonly body: Buffer },
    mode: StoreMode,
  ): void {
    const { method, headers, url: path } = req;
    const { connection: _, 'transfer-encoding': __, ...passed } = headers;
    const forwarded = request(
      {
        ...{ host: '127.0.0.1', port: this.#target, method, path, agent: false },
        headers: { ...passed, 'content-length': String(body.length) },
      },
      (answer) => void answerWith(answer, res, mode).catch(() => res.destroy()),
    );
    forwarded.on('error', () => res.destroy());
    if (mode === 'reset') {
      forwarded.write(body.subarray(0, body.length / 2), () => {
        forwarded.destroy();
        req.socket.resetAndDestroy();
      });
      return;
    }
    forwarded.end(body);
  }
}

/** By the user in its address. */
function serviceOf({ headers: { authorization = '' } }: IncomingMessage): 0 | 1 {
  const user = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString();
  return user.startsWith('service1') ? 1 : 0;
}

async function answerWith(answer: IncomingMessage, res: ServerResponse, mode: StoreMode): Promise<void> {
  if (mode !== 'answer' && mode !== 'half') {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
    answer.on('error', () => res.destroy());
    return;
  }
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  if (mode === 'answer' || body.length === 0) {
    res.destroy();
    return;
  }
  const { 'content-length': _, ...headers } = answer.headers;
  res.writeHead(answer.statusCode ?? 502, headers).end(body.subarray(0, halfOf(body)));
}

/** In the middle of a line: an answer that ends after one is a whole one. */
function halfOf(body: Buffer): number {
  const half = Math.ceil(body.length / 2);
  return body[half - 1] === 10 ? half - 1 : half;
}
