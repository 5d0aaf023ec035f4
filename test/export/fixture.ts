import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { HolderTransport } from '../../src/export/holder-transport.ts';
import { Sender } from '../../src/export/sender.ts';
import type { Transport } from '../../src/export/transport.ts';
import { type Opened, openJournal, tempDir } from '../support/journal-records.ts';

export interface Got {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body as it was sent, decompressed. */
  readonly raw: Buffer;
}

export interface Collector {
  readonly url: string;
  readonly got: Got[];
  /** Highest number of concurrent requests. */
  readonly together: () => number;
}

export type Answer = (got: Got, res: ServerResponse, nth: number) => void | Promise<void>;

export const ok: Answer = (_got, res) => void res.end('{}');

export function status(code: number, headers: Record<string, string> = {}, body = ''): Answer {
  return (_got, res) => void res.writeHead(code, headers).end(body);
}

/** A server that answers with the given response. */
export async function startCollector(answer: Answer = ok, port = 0): Promise<Collector> {
  const got: Got[] = [];
  let open = 0;
  let most = 0;
  const server = createServer((req, res) => {
    open += 1;
    most = Math.max(most, open);
    res.on('close', () => {
      open -= 1;
    });
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', async () => {
      const sent = Buffer.concat(chunks);
      const raw = req.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
      const one = { url: req.url ?? '', headers: req.headers, body: raw.toString('utf8'), raw };
      got.push(one);
      await answer(one, res, got.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port: bound } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${bound}`, got, together: () => most };
}

export interface Sending extends Opened {
  readonly sender: Sender;
  readonly directory: string;
}

export async function startSending(transport: Transport): Promise<Sending> {
  const directory = await tempDir();
  const opened = openJournal(directory);
  const sender = new Sender({ ...opened, destination: 'holder', transport, retryMaxMs: 150 });
  sender.start();
  onTestFinished(() => sender.stop(1_000));
  return { ...opened, sender, directory };
}

export function holderAt(url: string | (() => Promise<string | undefined>), token?: string): Transport {
  const locate = typeof url === 'string' ? async () => url : url;
  return new HolderTransport({
    locate: async () => {
      const found = await locate();
      return found === undefined ? undefined : { url: found, ...(token !== undefined && { token }) };
    },
  });
}

/** Attribute `n` of each record in a request, in order. */
export function numbersIn({ body }: Got): (number | string)[] {
  return [...body.matchAll(/"n":(\d+)/g)].map((match) => Number(match[1]));
}
