import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { EndpointTransport } from '../../src/export/endpoint-transport.ts';
import type { Sender } from '../../src/model/sender.ts';
import { trailTokenOf } from '../../src/model/trail-token.ts';
import { startReceiver } from '../../src/receive/server.ts';
import { startCollector } from './fixture.ts';

const KEY = 'a key that several machines share, 32';
const API_TOKEN = 'the token of the API';
const LOGS = Buffer.from(
  JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }] }),
);

function clear(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
}
beforeEach(clear);
afterEach(clear);

/** A holder elsewhere. `rejected`: the records that a sender without a token may not send. */
async function holder(apiToken?: string): Promise<{ url: string; senders: Sender['kind'][] }> {
  const senders: Sender['kind'][] = [];
  const receiver = await startReceiver({
    host: '127.0.0.1',
    port: 0,
    secrets: { key: KEY, apiToken },
    sink: {
      ingest: async (_batch, { kind }) => {
        senders.push(kind);
        return kind === 'anonymous' ? { rejected: 1, reasons: ['not yours'] } : { rejected: 0, reasons: [] };
      },
    },
  });
  onTestFinished(() => receiver.close(0));
  return { url: receiver.url, senders };
}

function transportTo(url: string, token?: string): EndpointTransport {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
  const transport = new EndpointTransport({ token });
  onTestFinished(() => transport.close());
  return transport;
}

test('a holder that refuses requests without a token is sent that of the shared key, from the first request on', async () => {
  const { url, senders } = await holder(API_TOKEN);
  const transport = transportTo(url, trailTokenOf(KEY));
  expect(await transport.send('logs', LOGS)).toEqual({ kind: 'accepted', rejected: 0 });
  expect(await transport.send('logs', LOGS)).toEqual({ kind: 'accepted', rejected: 0 });
  expect(senders).toEqual(['trail', 'trail']);
});

test('a holder that takes requests without a token is sent it too, before it gets a record', async () => {
  const { url, senders } = await holder();
  const transport = transportTo(url, trailTokenOf(KEY));
  expect(await transport.send('logs', LOGS)).toEqual({ kind: 'accepted', rejected: 0 });
  expect(await transport.send('logs', LOGS)).toEqual({ kind: 'accepted', rejected: 0 });
  expect(senders.filter((sender) => sender !== 'trail')).toEqual([]);
});

test('a holder that is away gets no record before it had the time to ask', async () => {
  const transport = transportTo('http://127.0.0.1:1', trailTokenOf(KEY));
  expect(await transport.send('logs', LOGS)).toMatchObject({ kind: 'retry' });
});

test('without a key, with a wrong one, and with a header of the settings nothing else is sent', async () => {
  const { url, senders } = await holder(API_TOKEN);
  expect(await transportTo(url).send('logs', LOGS)).toMatchObject({ kind: 'refused', status: 401 });
  const wrong = transportTo(url, trailTokenOf('another key of 32 characters or more'));
  expect(await wrong.send('logs', LOGS)).toMatchObject({ kind: 'refused', status: 401 });
  process.env.OTEL_EXPORTER_OTLP_HEADERS = `authorization=Bearer%20${encodeURIComponent('a wrong token')}`;
  expect(await transportTo(url, trailTokenOf(KEY)).send('logs', LOGS)).toMatchObject({ status: 401 });
  expect(senders).toEqual([]);
});

test('an endpoint that does not ask, or asks for another token, never sees it', async () => {
  const collector = await startCollector();
  const transport = transportTo(collector.url, trailTokenOf(KEY));
  await transport.send('logs', LOGS);
  await transport.send('traces', Buffer.from('{"resourceSpans":[]}'));
  // The first one is empty: it gives the endpoint the time to ask.
  expect(collector.got.map(({ headers }) => headers.authorization)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const seen: (string | undefined)[] = [];
  const other = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="other"' }).end();
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  const sent = await transportTo(`http://127.0.0.1:${port}`, trailTokenOf(KEY)).send('logs', LOGS);
  expect([sent, seen]).toMatchObject([{ kind: 'refused', status: 401 }, [undefined, undefined]]);
});
