import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EndpointTransport } from '../../src/export/endpoint-transport.ts';
import { LOGS_REQUEST, TRACES_REQUEST } from '../../src/model/otlp-messages.ts';
import { decodeProtobuf } from '../../src/receive/protobuf/decode-protobuf.ts';
import { SOURCE } from '../support/journal-records.ts';
import { type Answer, type Got, type Sending, startCollector, startSending, status } from './fixture.ts';

const ROUNDS = 3;
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

function clear(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
}
beforeEach(clear);
afterEach(clear);

async function sendingTo(url: string): Promise<Sending> {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
  return startSending(new EndpointTransport());
}

/** A log record and a span in each round, the log record with its number as time. */
async function sendRounds({ journal, sender }: Sending, rounds = ROUNDS): Promise<void> {
  for (let n = 1; n <= rounds; n += 1) {
    appendBoth(journal, n);
    expect(await sender.drain(10_000)).toBe(true);
  }
}

function appendBoth(journal: Sending['journal'], n: number): void {
  journal.append(SOURCE, { kind: 'L', json: JSON.stringify({ timeUnixNano: String(n) }) });
  const span = { traceId: TRACE_ID, spanId: n.toString(16).padStart(16, '0'), name: `span ${n}` };
  journal.append(SOURCE, { kind: 'S', json: JSON.stringify(span) });
}

interface Taken {
  readonly logs: string[];
  readonly spans: string[];
}

interface Groups {
  readonly resourceLogs?: { scopeLogs?: { logRecords: { timeUnixNano: string }[] }[] }[];
  readonly resourceSpans?: { scopeSpans?: { spans: { name: string }[] }[] }[];
}

/** A receiver that reads one encoding, as real ones do, and answers 415 to the other. */
function receiverOf(encoding: 'json' | 'protobuf', taken: Taken): Answer {
  const type = encoding === 'json' ? 'application/json' : 'application/x-protobuf';
  return (got, res, nth) => {
    if (got.headers['content-type'] !== type) return status(415)(got, res, nth);
    const isLogs = got.url === '/v1/logs';
    const request = (
      encoding === 'json'
        ? JSON.parse(got.body)
        : decodeProtobuf(got.raw, isLogs ? LOGS_REQUEST : TRACES_REQUEST)
    ) as Groups;
    for (const { scopeLogs = [] } of request.resourceLogs ?? [])
      taken.logs.push(...scopeLogs.flatMap(({ logRecords }) => logRecords.map((log) => log.timeUnixNano)));
    for (const { scopeSpans = [] } of request.resourceSpans ?? [])
      taken.spans.push(...scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name)));
    res.writeHead(200, { 'content-type': type }).end(encoding === 'json' ? '{}' : '');
  };
}

test.each([
  ['json', 'http/json'],
  ['protobuf', ''],
  ['protobuf', 'http/protobuf'],
] as const)('a receiver of %s only gets all records with the protocol %j', async (encoding, protocol) => {
  const taken: Taken = { logs: [], spans: [] };
  const collector = await startCollector(receiverOf(encoding, taken));
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = protocol;
  const sending = await sendingTo(collector.url);
  await sendRounds(sending);
  expect(taken).toEqual({ logs: ['1', '2', '3'], spans: ['span 1', 'span 2', 'span 3'] });
  expect(sending.books.snapshot()).toMatchObject({ delivered: { holder: 6 }, dropped: {} });
  expect(sending.books.notices.size).toBe(0);
});

test('a receiver of the other encoding is named, and the records count as not sent', async () => {
  const collector = await startCollector(receiverOf('json', { logs: [], spans: [] }));
  const sending = await sendingTo(collector.url);
  await sendRounds(sending);
  expect(collector.got).toHaveLength(2);
  expect(sending.books.notices.get('holder')).toBe(
    'takes no logs: they are not sent there (status 415, 3 so far); takes no traces: they are not sent there (status 415, 3 so far)',
  );
  expect(sending.books.snapshot()).toMatchObject({ delivered: {}, dropped: {}, unsent: { holder: 6 } });
});

const PAGE = '<!doctype html><title>Log in</title>';
const REFUSALS: readonly (readonly [string, Answer])[] = [
  ['400', status(400, {}, 'no such pipeline')],
  ['404', status(404)],
  ['405', status(405)],
  ['415', status(415)],
  ['501', status(501)],
  ['a web page', status(200, { 'content-type': 'text/html' }, PAGE)],
];

test.each(
  (['traces', 'logs'] as const).flatMap((signal) =>
    REFUSALS.map(([name, answer]) => [signal, name, answer] as const),
  ),
)('a receiver that refuses %s with %s loses that signal only', async (signal, name, refusal) => {
  const taken: Taken = { logs: [], spans: [] };
  const receive = receiverOf('protobuf', taken);
  const collector = await startCollector((got, res, nth) =>
    got.url === `/v1/${signal}` ? refusal(got, res, nth) : receive(got, res, nth),
  );
  const sending = await sendingTo(collector.url);
  await sendRounds(sending);
  expect(signal === 'traces' ? taken.logs : taken.spans).toHaveLength(ROUNDS);
  // The records, and a probe after a 400.
  const calls = collector.got.filter(({ url }) => url === `/v1/${signal}`);
  expect(calls.length).toBeLessThanOrEqual(2);
  const { books } = sending;
  expect(books.notices.get('holder')).toMatch(new RegExp(`^takes no ${signal}: .*, ${ROUNDS} so far\\)$`));
  expect(books.reasons.size).toBe(0);
  // A 400 refuses the records; the other answers refuse the signal.
  const counts =
    name === '400' ? { dropped: { refused: ROUNDS } } : { dropped: {}, unsent: { holder: ROUNDS } };
  expect(books.snapshot()).toMatchObject({ delivered: { holder: ROUNDS }, ...counts });
});

test.each([401, 403, 301, 307, 308, 500])(
  'a %d for traces drops and counts them, and logs arrive',
  async (code) => {
    const taken: Taken = { logs: [], spans: [] };
    const receive = receiverOf('protobuf', taken);
    const refusal = status(code, { location: 'https://example.com/v1/traces' }, 'why');
    const collector = await startCollector((got, res, nth) =>
      got.url === '/v1/traces' ? refusal(got, res, nth) : receive(got, res, nth),
    );
    const sending = await sendingTo(collector.url);
    await sendRounds(sending);
    expect(taken.logs).toHaveLength(ROUNDS);
    expect(sending.books.snapshot()).toMatchObject({
      delivered: { holder: ROUNDS },
      dropped: { refused: ROUNDS },
    });
    expect(sending.books.notices.get('holder refused')).toMatch(
      new RegExp(`^traces: status ${code}: .*why$`),
    );
  },
);

/** Answers 400 to requests for which `isBad` is true. */
function refusing(isBad: (got: Got, taken: number) => boolean): Answer {
  let taken = 0;
  return (got, res: ServerResponse) => {
    if (isBad(got, taken)) res.writeHead(400).end('bad data');
    else {
      taken += 1;
      res.end();
    }
  };
}

const RECORDS = 40;

async function sendLogs({ journal, sender }: Sending): Promise<void> {
  for (let n = 1; n <= RECORDS; n += 1)
    journal.append(SOURCE, { kind: 'L', json: JSON.stringify({ timeUnixNano: String(n) }) });
  expect(await sender.drain(10_000)).toBe(true);
}

test('a 400 for bad data drops only the bad record, also in the first request', async () => {
  const bad = Buffer.from('0b00000000000000', 'hex');
  const collector = await startCollector(refusing(({ raw }) => raw.includes(bad)));
  const sending = await sendingTo(collector.url);
  await sendLogs(sending);
  expect(sending.books.snapshot()).toMatchObject({
    delivered: { holder: RECORDS - 1 },
    dropped: { refused: 1 },
  });
  expect(sending.books.notices.get('holder')).toBeUndefined();
});

test('a receiver that takes a request without records and no record is given up after 64 refusals', async () => {
  const collector = await startCollector(refusing(({ raw }) => raw.length > 8));
  const sending = await sendingTo(collector.url);
  for (let times = 0; times < 3; times += 1) await sendLogs(sending);
  expect(collector.got.length).toBeLessThanOrEqual(65);
  expect(sending.books.snapshot()).toMatchObject({ delivered: {}, dropped: { refused: 3 * RECORDS } });
  expect(sending.books.notices.get('holder')).toMatch(/^takes no logs: .*bad data/);
});

test('a path that begins to refuse everything is found out before each record has been sent alone', async () => {
  const collector = await startCollector(refusing((_got, taken) => taken > 0));
  const sending = await sendingTo(collector.url);
  appendBoth(sending.journal, 1);
  expect(await sending.sender.drain(10_000)).toBe(true);
  await sendLogs(sending);
  expect(collector.got.length).toBeLessThan(RECORDS);
  expect(sending.books.notices.get('holder')).toMatch(/takes no logs/);
});
