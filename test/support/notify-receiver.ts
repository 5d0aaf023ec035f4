import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { onTestFinished } from 'vitest';
import { type JsonObject, parseObject } from '../../src/model/json.ts';

/** Two secrets of Standard Webhooks. */
export const NOTIFY_SECRET = 'whsec_dGFza3RyYWlsLXRlc3Qtc2VjcmV0LW9uZS0wMTIzNDU2Nzg5';
export const NEXT_SECRET = 'whsec_dGFza3RyYWlsLXRlc3Qtc2VjcmV0LXR3by0wMTIzNDU2Nzg5';

/** A request that a receiver has read. */
export interface Received {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly message: JsonObject;
}

export type Answer = (res: ServerResponse, received: Received, count: number) => void;

export interface NotifyReceiver {
  readonly url: string;
  readonly received: Received[];
  /** Ids, each once, in the order in which they came. */
  ids(): readonly string[];
  /** The types of the messages, each id once. */
  types(): readonly string[];
  answer: Answer;
}

/** A receiver on loopback. Default answer: 204. */
export async function startReceiver(
  answer: Answer = (res) => res.writeHead(204).end(),
): Promise<NotifyReceiver> {
  const received: Received[] = [];
  const server = createServer((req, res) => {
    const pieces: Buffer[] = [];
    req.on('data', (piece: Buffer) => pieces.push(piece));
    req.on('end', () => {
      const body = Buffer.concat(pieces).toString('utf8');
      const one: Received = {
        ...{ id: String(req.headers['webhook-id']), headers: req.headers, body },
        message: parseObject(body) ?? {},
      };
      received.push(one);
      receiver.answer(res, one, received.length);
    });
    res.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const receiver: NotifyReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    ids: () => [...new Set(received.map(({ id }) => id))],
    types: () => [...new Map(received.map(({ id, message }) => [id, String(message.type)])).values()],
    answer,
  };
  return receiver;
}

/** Throws unless the message is signed with this secret, as the reference library checks it. */
export function checkSignature({ body, headers }: Received, secret: string = NOTIFY_SECRET): void {
  new Webhook(secret).verify(body, headers as Record<string, string>);
}
