import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Books } from '../../../src/books.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { spanEntry } from '../../../src/journal/line.ts';
import type { BatchEntry } from '../../../src/journal/segment-reader.ts';
import { openForwarding } from '../../../src/service/warehouse/forwarding.ts';
import { tempDir } from '../../support/log-dir.ts';
import { until } from '../../support/until.ts';

/** An endpoint in JSON, with the names of the spans that it has taken. Logs are answered as Jaeger does. */
async function startEndpoint() {
  const names: string[] = [];
  const state = { isAway: true, names, url: '' };
  const server = createServer(async (req, res) => {
    let text = '';
    for await (const piece of req) text += String(piece);
    if (state.isAway) res.writeHead(503).end();
    else if (req.url !== '/v1/traces') res.writeHead(404).end();
    else {
      for (const [, name = ''] of text.matchAll(/"name":"(span [^"]*)"/g)) names.push(name);
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

function span(index: number): BatchEntry {
  const times = { startTimeUnixNano: '1', endTimeUnixNano: '2' };
  const id = String(index).padStart(16, '0');
  const entry = spanEntry({
    ...{ traceId: 'a'.repeat(32), spanId: id, name: `span ${index}`, kind: 1, ...times },
    attributes: [],
  });
  return { ...entry, source: '"resource":{"attributes":[]},"scope":{"name":"test"}' };
}

async function open(url: string) {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', url);
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json');
  onTestFinished(() => void vi.unstubAllEnvs());
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
  const books = new Books();
  const forwarding = await openForwarding(loadConfig({ env, cwd: await tempDir() }), books);
  books.setDestinations(forwarding.destinations);
  return { books, forwarding };
}

test('each record is sent once, in order, when the endpoint is back, and the service stays ready meanwhile', async () => {
  const endpoint = await startEndpoint();
  const { books, forwarding } = await open(endpoint.url);
  const all = Array.from({ length: 1_200 }, (_, index) => span(index));
  for (const entry of all) {
    books.countRecorded();
    forwarding.add([entry]);
  }
  await until(() => JSON.stringify([...books.notices]).includes('not reachable'), 'the notice');
  expect(books.reasons.size).toBe(0);
  expect(endpoint.names).toEqual([]);
  endpoint.isAway = false;
  await until(() => endpoint.names.length >= all.length, 'the spans');
  expect(endpoint.names).toEqual(all.map((_, index) => `span ${index}`));
  const [destination = ''] = forwarding.destinations;
  await until(() => books.snapshot().pending?.[destination] === 0, 'the books');
  expect([...books.notices]).toEqual([]);
  await forwarding.close(1_000);
  expect(books.snapshot().delivered).toEqual({ [destination]: all.length });
});

test('what an endpoint does not get is counted: beyond the limit, and at the end', async () => {
  const { url } = await startEndpoint();
  const { books, forwarding } = await open(url);
  const entries = Array.from({ length: 20_001 }, (_, index) => span(index));
  books.countRecorded(entries.length);
  forwarding.add(entries);
  await forwarding.close(50);
  const [destination = ''] = forwarding.destinations;
  expect(books.snapshot()).toMatchObject({
    lost: { [destination]: { journal_full: 1, journal_closed: 20_000 } },
    pending: { [destination]: 0 },
  });
});

test('without an endpoint nothing is kept', async () => {
  const forwarding = await openForwarding(loadConfig({ env: {}, cwd: await tempDir() }), new Books());
  forwarding.add([span(1)]);
  expect(forwarding.destinations).toEqual([]);
  await forwarding.close(0);
});
