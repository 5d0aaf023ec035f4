import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { TOKEN } from '../ledger.ts';

/** `empty`: 200 without a body. */
export type EndpointMode = 'well' | '503' | '429' | 'empty';

/** The OTLP endpoint of a collector that keeps the tokens which it has accepted. */
export class FakeEndpoint {
  mode: EndpointMode = 'well';
  readonly tokens: Set<string> = new Set();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('error', () => {});
      request.on('end', () => {
        const { mode } = this;
        if (mode === '503' || mode === '429') {
          response.writeHead(Number(mode), { 'retry-after': '1' }).end();
          return;
        }
        // Protobuf has texts as they are.
        const tokens = Buffer.concat(pieces).toString('latin1').match(TOKEN) ?? [];
        for (const token of tokens) this.tokens.add(token);
        if (mode === 'empty') response.writeHead(200).end();
        else response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
