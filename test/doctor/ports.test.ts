import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { checkPorts } from '../../src/doctor/ports.ts';
import { startReceiver } from '../../src/receive/server.ts';
import { serveHealth } from '../../src/serve/health.ts';
import { freePort } from '../support/free-port.ts';
import { linesOf, otlpListener, serve, serveTcp, statusOf, subjectOf } from './subject.ts';

async function look(settings: Record<string, string>): Promise<string> {
  return linesOf(await checkPorts(subjectOf({ TASK_LOGS_OTLP_PORT: '0', PORT: '0', ...settings })));
}

function portOf(url: string): string {
  return new URL(url).port;
}

async function serveReadiness(books: Books): Promise<string> {
  const handler = serveHealth({ books, version: '9.9.9' });
  return serve((req, res) => handler(req, res, () => res.writeHead(404).end()));
}

test('free ports are free, also after the check', async () => {
  const [PORT, TASK_LOGS_OTLP_PORT] = [String(await freePort()), String(await freePort())];
  const expected = `ok PORT 127.0.0.1:${PORT}: free\nok TASK_LOGS_OTLP_PORT 127.0.0.1:${TASK_LOGS_OTLP_PORT}: free`;
  expect(await look({ PORT, TASK_LOGS_OTLP_PORT })).toBe(expected);
  expect(await look({ PORT, TASK_LOGS_OTLP_PORT })).toBe(expected);
});

test('our own service is recognised, with the reason when it is not ready', async () => {
  const books = new Books();
  const PORT = portOf(await serveReadiness(books));
  expect(await look({ PORT })).toMatch(
    /^ok PORT 127\.0\.0\.1:\d+: our own service 9\.9\.9 runs there, ready/,
  );
  books.setReason('queue', 'Redis is away');
  expect(await look({ PORT })).toMatch(/^problem .*not ready: queue: Redis is away/);
});

test('records that were refused are a warning with the reason; other notices are not', async () => {
  const books = new Books();
  const PORT = portOf(await serveReadiness(books));
  books.setNotice('refused records', 'not stored since the start: 3 from agents');
  books.setNotice('http://collector:4318/', 'takes no logs');
  books.setNotice('holder rejected', 'too old');
  const lines = (await look({ PORT })).split('\n').filter((line) => line.includes('/readyz'));
  expect(lines).toEqual([
    expect.stringMatching(
      /^warning \/readyz of .*: refused records: not stored since the start: 3 from agents -> /,
    ),
    expect.stringMatching(/^warning \/readyz of .*: holder rejected: too old -> /),
  ]);
});

test.each([
  [() => serve(statusOf(404, { server: 'nginx/1.27' })), /HTTP server nginx\/1\.27/],
  [() => serve(statusOf(404)), /another HTTP server/],
  [async () => `http://x:${await serveTcp((socket) => void socket.end('SSH-2.0\r\n'))}`, /speaks no HTTP/],
  [async () => `http://x:${await serveTcp(() => {})}`, /a program that does not answer/],
])('another program on PORT is a problem, and is named as well as possible (%#)', async (start, expected) => {
  const line = (await look({ PORT: portOf(await start()) })).split('\n')[0];
  expect(line).toMatch(/^problem PORT .*the service cannot start -> stop it, or set another PORT/);
  expect(line).toMatch(expected);
});

test('our own receiver on the OTLP port is ok', async () => {
  const sink = { ingest: async () => ({ rejected: 0, reasons: [] }) };
  for (const token of [undefined, 'sixteen characters']) {
    const receiver = await startReceiver({
      host: '127.0.0.1',
      port: 0,
      sink,
      ...(token !== undefined && { token }),
    });
    onTestFinished(() => receiver.close(0));
    expect(await look({ TASK_LOGS_OTLP_PORT: String(receiver.port) })).toMatch(
      /^ok TASK.*our own receiver is there/m,
    );
  }
});

test.each([
  [['traces', 'logs', 'metrics'], 'a collector'],
  [['traces'], 'a Jaeger'],
])(
  'an OTLP receiver of %j on a configured port is a problem, with advice to send to it',
  async (signals, name) => {
    const TASK_LOGS_OTLP_PORT = portOf(await serve(otlpListener(signals)));
    const lines = await look({ TASK_LOGS_OTLP_PORT });
    expect(lines).toMatch(
      new RegExp(`^problem TASK_LOGS_OTLP_PORT .*taken by ${name}: the service cannot start`, 'm'),
    );
    expect(lines).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${TASK_LOGS_OTLP_PORT}`);
  },
);

test('a default port in use is not a problem', async () => {
  const port = Number(portOf(await serve(otlpListener(['traces']))));
  const subject = subjectOf({ PORT: '0', OTEL_EXPORTER_OTLP_ENDPOINT: `http://localhost:${port}` });
  const config = { ...subject.config, otlpPort: port };
  expect(linesOf(await checkPorts({ ...subject, config }))).toMatch(
    /^ok TASK.*a Jaeger is there; the service takes a free port/m,
  );
  const other = Number(portOf(await serve(statusOf(404))));
  const taken = { ...subject, config: { ...config, otlpPort: other } };
  expect(linesOf(await checkPorts(taken))).toMatch(
    /^warning TASK.*taken by another HTTP server: the service takes a free port/m,
  );
});

test('a host that is not an address of this machine is a problem', { tags: 'full' }, async () => {
  const lines = await look({ HOST: '192.0.2.7', PORT: '9', TASK_LOGS_API_TOKEN: 'sixteen characters' });
  expect(lines).toMatch(
    /^problem PORT 192\.0\.2\.7:9: the host is not an address of this machine -> correct HOST/,
  );
});

test('without a store no OTLP port is needed', async () => {
  expect(await look({ TASK_LOGS_STORE: 'false' })).not.toContain('OTLP');
});
