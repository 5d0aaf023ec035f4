import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A notification as it was received. */
export interface Told {
  /** The same in every try. */
  readonly id: string;
  readonly type: string;
  /** The task or the workflow. */
  readonly about: string;
  readonly attempt: unknown;
}

/** Of Standard Webhooks. */
export const NOTIFY_SECRET: string = `whsec_${Buffer.from('a secret of the storm tests, 32 b').toString('base64')}`;

/** A receiver of notifications that takes all of them. */
export class NotifySink {
  readonly told: Told[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((req, res) => {
      const pieces: Buffer[] = [];
      req.on('error', () => {});
      req.on('data', (piece: Buffer) => pieces.push(piece));
      req.on('end', () => {
        const { type, data } = JSON.parse(Buffer.concat(pieces).toString()) as {
          readonly type: string;
          readonly data: {
            readonly task_id?: string;
            readonly workflow_id?: string;
            readonly attempt?: unknown;
          };
        };
        const id = String(req.headers['webhook-id']);
        this.told.push({ id, type, about: data.task_id ?? data.workflow_id ?? '', attempt: data.attempt });
        res.writeHead(204).end();
      });
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
