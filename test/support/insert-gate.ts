import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to a request that adds rows: it is passed on, or `cut` is called before or after VictoriaLogs has them. */
export interface Cut {
  /** Which request: by the text of its rows. */
  matches(rows: string): boolean;
  readonly when: 'before' | 'after';
  cut(): Promise<void>;
}

/** A VictoriaLogs whose requests go through this process. */
export interface InsertGate {
  /** As the setting has it. */
  readonly address: string;
  /** The next request that it matches; once. */
  next: Cut | undefined;
  close(): Promise<void>;
}

export async function openInsertGate(address: string): Promise<InsertGate> {
  const target = new URL(address.replace('victorialogs:', 'http:'));
  const server = createServer((req, res) => void pass(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const gate: InsertGate = {
    address: `victorialogs://127.0.0.1:${(server.address() as AddressInfo).port}${target.search}`,
    next: undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return gate;

  async function pass(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { next } = gate;
    const isCut = next !== undefined && req.url?.includes('/insert/') && next.matches(body.toString());
    if (isCut) gate.next = undefined;
    if (isCut && next.when === 'before') {
      await next.cut();
      res.destroy();
      return;
    }
    const { method, headers, url: path } = req;
    const forwarded = request(
      { host: target.hostname, port: target.port, method, headers, path },
      async (answer) => {
        if (isCut) {
          answer.resume();
          await next.cut();
          res.destroy();
          return;
        }
        res.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(res);
      },
    );
    forwarded.on('error', () => res.destroy());
    forwarded.end(body);
  }
}
