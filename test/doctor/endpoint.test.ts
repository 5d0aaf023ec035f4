import { once } from 'node:events';
import { createServer as createHttp2Server, createSecureServer, type Http2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { expect, onTestFinished, test } from 'vitest';
import { checkEndpoint } from '../../src/doctor/endpoint.ts';
import { startReceiver } from '../../src/receive/server.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { freePort } from '../support/free-port.ts';
import { makeCertificate } from './certificate.ts';
import {
  linesOf,
  listenUntilEnd,
  notFound,
  otlpListener,
  serve,
  serveTcp,
  statusOf,
  subjectOf,
} from './subject.ts';

const HTML = { 'content-type': 'text/html' };

async function look(endpoint: string, more: Record<string, string> = {}): Promise<string> {
  return linesOf(await checkEndpoint(subjectOf({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...more })));
}

test('a collector accepts every signal', async () => {
  const url = await serve(otlpListener(['traces', 'logs', 'metrics']));
  expect(await look(url)).toBe(`ok OTEL_EXPORTER_OTLP_ENDPOINT ${url}: takes traces, logs, metrics`);
});

test('a Jaeger accepts traces, and logs that stay in the files are no problem', async () => {
  const url = await serve(otlpListener(['traces']));
  expect(await look(url)).toBe(
    `ok OTEL_EXPORTER_OTLP_ENDPOINT ${url}: takes traces, a Jaeger, not logs and metrics: logs stay in the files`,
  );
});

test('the requests are valid, empty, and have the headers of the settings', async () => {
  const got: string[] = [];
  const url = await serve((req, res) => {
    let body = '';
    req.setEncoding('latin1').on('data', (piece) => {
      body += piece;
    });
    req.on('end', () => {
      got.push(`${req.method} ${req.url} ${req.headers['content-type']} ${req.headers['x-key']} ${body}`);
      res.end('{}');
    });
  });
  const headers = { OTEL_EXPORTER_OTLP_HEADERS: 'x-key=abc%20d' };
  const expected = (rest: string): string[] =>
    ['logs', 'metrics', 'traces'].map((signal) => `POST /base/v1/${signal} ${rest}`);
  await look(`${url}/base/`, { ...headers, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' });
  expect(got.splice(0).sort()).toEqual(expected('application/json abc d {}'));
  await look(`${url}/base/`, headers);
  expect(got.sort()).toEqual(expected('application/x-protobuf abc d \n\0'));
});

test('our own receiver is named, and the receiver of this directory is a loop', async () => {
  const sink = { ingest: async () => ({ rejected: 0, reasons: [] }) };
  const receiver = await startReceiver({ host: '127.0.0.1', port: 0, sink });
  onTestFinished(() => receiver.close(0));
  const subject = subjectOf({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url.replace('127.0.0.1', 'localhost') });
  const lines = linesOf(await checkEndpoint(subject));
  expect(lines).toContain('takes traces, logs, the OTLP receiver of a tasktrail, not metrics');
  expect(lines).not.toContain('warning');
  const lock = await DirectoryLock.acquire(subject.config.logDir, () => {});
  onTestFinished(() => lock.release());
  await lock.announce(receiver.url);
  expect(linesOf(await checkEndpoint(subject))).toMatch(/^warning .*sent to it twice -> unset it/m);
});

test('a receiver with a token is named, and the advice prints no token', async () => {
  const sink = { ingest: async () => ({ rejected: 0, reasons: [] }) };
  const receiver = await startReceiver({
    host: '127.0.0.1',
    port: 0,
    sink,
    secrets: { apiToken: 'a-token-of-the-receiver' },
  });
  onTestFinished(() => receiver.close(0));
  expect(await look(receiver.url)).toMatch(
    /^problem .*requires its token \(401\) -> set OTEL_EXPORTER_OTLP_HEADERS/,
  );
});

test('an endpoint on the port of our own receiver is a warning before the start', async () => {
  const port = String(await freePort());
  const lines = await look(`http://localhost:${port}`, { TASK_LOGS_OTLP_PORT: port });
  expect(lines).toMatch(/^problem .*nothing listens there/);
  expect(lines).toMatch(/^warning .*use this port .*TASK_LOGS_OTLP_PORT/m);
});

test.each<[string, Record<string, [string, string]>, RegExp]>([
  [
    'a Prometheus',
    { '/-/healthy': ['text/plain', 'Prometheus Server is Healthy.\n'] },
    /a Prometheus answers.*\/api\/v1\/otlp/,
  ],
  [
    'a Grafana',
    { '/api/health': ['application/json', '{"database":"ok","version":"13.2.0"}'] },
    /a Grafana answers/,
  ],
  [
    'a Loki',
    { '/loki/api/v1/status/buildinfo': ['application/json', '{"version":"3.7.0","revision":"x"}'] },
    /a Loki answers.*\/otlp/,
  ],
  ['a Tempo', { '/api/echo': ['text/plain', 'echo'] }, /a Tempo answers/],
  [
    "a Jaeger's UI",
    { '/api/v3/services': ['application/json', '{"services":["a"]}'] },
    /a Jaeger's query port answers/,
  ],
])('%s in place of an OTLP receiver is named, with what to do', async (_name, answers, expected) => {
  const url = await serve((req, res) => {
    const [type, text] = (req.method === 'GET' ? answers[req.url ?? ''] : undefined) ?? [];
    if (type === undefined) return notFound(req, res);
    return res.writeHead(200, { 'content-type': type }).end(text);
  });
  const line = await look(url);
  expect(line).toMatch(/^problem .* -> /);
  expect(line).toMatch(expected);
});

test('a port where another program answers is no loop', async () => {
  const url = await serve(statusOf(404));
  const lines = await look(url, { TASK_LOGS_OTLP_PORT: new URL(url).port });
  expect(lines).toMatch(/^problem /);
  expect(lines).not.toContain('warning');
});

test('the query port of a Jaeger, which serves a page for every path, is not mistaken for a receiver', async () => {
  const url = await serve((req, res) => {
    if (req.url === '/api/v3/services')
      return res.setHeader('content-type', 'application/json').end('{"services":[]}');
    return res.writeHead(200, HTML).end('<!doctype html><title>Jaeger UI</title>');
  });
  expect(await look(url)).toMatch(
    /^problem .*a Jaeger's query port answers, but accepts no OTLP there -> .*4318/,
  );
});

test.each([
  [statusOf(200, HTML, '<!doctype html>'), /^problem .*a web page answers \(200\) -> /],
  [statusOf(404), /^problem .*nothing accepts OTLP there \(404\) -> /],
  [statusOf(405), /^problem .*nothing accepts OTLP there \(405\) -> /],
  [statusOf(401), /^problem .*requires credentials \(401\) -> set OTEL_EXPORTER_OTLP_HEADERS/],
  [statusOf(403), /^problem .*requires credentials \(403\) -> set OTEL_EXPORTER_OTLP_HEADERS/],
  [
    statusOf(301, { location: 'https://user:pass@elsewhere.test/x?key=1' }),
    /^problem .*redirects \(301\) to https:\/\/elsewhere\.test\/x,/,
  ],
  [statusOf(307, { location: '/login' }), /^problem .*redirects \(307\) to another path/],
  [statusOf(503), /^warning .*accepts nothing now \(503\)/],
  [statusOf(429), /^warning .*accepts nothing now \(429\)/],
  [statusOf(415), /^problem .*does not accept http\/protobuf \(415\)/],
  [statusOf(500, {}, 'boom \u001b[31m'), /^problem .*with 500: boom/],
  [
    statusOf(400, {}, 'Client sent an HTTP request to an HTTPS server.'),
    /^problem .*speaks TLS.* -> begin the address with https/,
  ],
])('a refusal of every signal is one finding with its reason (%#)', async (listener, expected) => {
  const lines = await look(await serve(listener));
  expect(lines).toMatch(expected);
  expect(lines.split('\n')).toHaveLength(1);
});

test('refused credentials are distinguished from missing ones, and none are printed', async () => {
  const url = (await serve(statusOf(401, {}, 'no'))).replace('//', '//me:pass-in-url@');
  const line = await look(`${url}/?k=in-query`, { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20abc' });
  expect(line).toMatch(/^problem .*refuses the credentials in OTEL_EXPORTER_OTLP_HEADERS \(401\)/);
  expect(line).not.toMatch(/pass-in-url|in-query|abc/);
});

test('a single refused signal is named', async () => {
  const url = await serve(otlpListener(['traces', 'metrics'], statusOf(403)));
  expect(await look(url)).toMatch(
    /^problem .*: logs: it requires credentials \(403\).*\nok .*takes traces, metrics/,
  );
});

test('the path of a signal in the address is distinguished from another program', async () => {
  const url = await serve(otlpListener(['traces', 'logs']));
  expect(await look(`${url}/v1/traces`)).toMatch(
    /^problem .*contains the path of a signal -> set it without \/v1/,
  );
  expect(await look(`${url}/otlp`)).toMatch(/^problem .*a collector answers, but does not know this path/);
});

test('a signal with an address of its own is checked there', async () => {
  const [jaeger, metrics] = [await serve(otlpListener(['traces'])), await serve(statusOf(200, {}, '{}'))];
  const name = 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT';
  const lines = await look(jaeger, { [name]: `${metrics}/api/v1/otlp/v1/metrics` });
  expect(lines).toContain(`ok OTEL_EXPORTER_OTLP_ENDPOINT ${jaeger}: takes traces, a Jaeger, not logs`);
  expect(lines).toContain(`ok ${name} ${metrics}/api/v1/otlp/v1/metrics: takes metrics`);
});

test('the address of one signal is checked without the common one', async () => {
  const url = await serve(otlpListener(['traces']));
  const lines = await look('', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces` });
  expect(lines).toMatch(/^ok OTEL_EXPORTER_OTLP_TRACES_ENDPOINT .*: takes traces/m);
  expect(lines).toMatch(/^ok OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: not set: logs go to the files only/m);
});

test('an endpoint that takes the other encoding only is named, with the setting', async () => {
  const url = await serve((req, res) => {
    const isJson = req.headers['content-type'] === 'application/json';
    res.writeHead(isJson ? 200 : 415, { 'content-type': 'application/json' }).end('{}');
  });
  expect(await look(url)).toMatch(
    /^problem .*does not accept http\/protobuf \(415\) -> set OTEL_EXPORTER_OTLP_PROTOCOL=http\/json/,
  );
  expect(await look(url, { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })).toMatch(
    /^ok .*takes traces, logs, metrics$/,
  );
});

test('a closed port and an unknown host name are problems', async () => {
  expect(await look(`http://127.0.0.1:${await freePort()}`)).toMatch(
    /^problem .*nothing listens there -> start it/,
  );
  expect(await look('http://collector.invalid:4318')).toMatch(
    /^problem .*no name server (?:knows|answers for) collector\.invalid/,
  );
});

test('a silent server is a problem after a timeout', { tags: 'full' }, async () => {
  const port = await serveTcp(() => {});
  expect(await look(`http://127.0.0.1:${port}`)).toMatch(/^problem .*does not answer in time/);
});

test('an answer whose body does not end is a timeout', { tags: 'full' }, async () => {
  const url = await serve((_req, res) => void res.writeHead(200).write('{'));
  expect(await look(url)).toMatch(/^problem .*does not answer in time/);
});

test('an aborted answer is a problem', async () => {
  const url = await serve((_req, res) => {
    res.writeHead(200, { 'content-length': '9' }).write('{');
    setImmediate(() => res.destroy());
  });
  expect(await look(url)).toMatch(/^problem .*no answer: /);
});

test('a gRPC port (HTTP/2 only) is recognised, with and without TLS', async () => {
  const plain = createHttp2Server();
  onTestFinished(closing(plain));
  const port = await listenUntilEnd(plain as never);
  expect(await look(`http://127.0.0.1:${port}`)).toMatch(
    /^problem .*HTTP\/2 only, which is gRPC.* -> use its OTLP\/HTTP port, usually 4318/,
  );
  const { key, cert, path } = makeCertificate();
  const secure = createSecureServer({ key, cert, allowHTTP1: false, ALPNProtocols: ['h2'] });
  const securePort = await listenUntilEnd(secure as never);
  // Node's own server answers a stranger with 403 instead of hanging up, as gRPC servers do.
  secure.on('unknownProtocol', (socket) => socket.destroy());
  const more = { OTEL_EXPORTER_OTLP_CERTIFICATE: path };
  expect(await look(`https://127.0.0.1:${securePort}`, more)).toMatch(/^problem .*HTTP\/2 only/);
});

test('http to a TLS port, and https to a plain port, are recognised', async () => {
  const { key, cert } = makeCertificate();
  const port = await listenUntilEnd(createHttpsServer({ key, cert }, statusOf(200, {}, '{}')));
  expect(await look(`http://127.0.0.1:${port}`)).toMatch(
    /^problem .*speaks TLS.* -> begin the address with https/,
  );
  const url = await serve(otlpListener(['traces']));
  expect(await look(url.replace('http:', 'https:'))).toMatch(
    /^problem .*speaks no TLS.* -> begin the address with http:/,
  );
});

test('untrusted, wrong and expired certificates are problems, a trusted one is not', {
  tags: 'full',
}, async () => {
  const good = makeCertificate();
  const port = await listenUntilEnd(createHttpsServer(good, otlpListener(['traces', 'logs', 'metrics'])));
  const url = `https://127.0.0.1:${port}`;
  expect(await look(url)).toMatch(
    /^problem .*certificate is not trusted.* -> set OTEL_EXPORTER_OTLP_CERTIFICATE/,
  );
  expect(await look(url, { OTEL_EXPORTER_OTLP_CERTIFICATE: good.path })).toMatch(
    /^ok .*takes traces, logs, metrics/,
  );
  const other = makeCertificate('127.0.0.9');
  const otherPort = await listenUntilEnd(createHttpsServer(other, statusOf(200)));
  const trusted = { OTEL_EXPORTER_OTLP_CERTIFICATE: other.path };
  expect(await look(`https://127.0.0.1:${otherPort}`, trusted)).toMatch(
    /^problem .*not for the name 127\.0\.0\.1/,
  );
  const old = makeCertificate('127.0.0.1', true);
  const oldPort = await listenUntilEnd(createHttpsServer(old, statusOf(200)));
  const expired = { OTEL_EXPORTER_OTLP_CERTIFICATE: old.path };
  expect(await look(`https://127.0.0.1:${oldPort}`, expired)).toMatch(
    /^problem .*its certificate has expired -> renew it/,
  );
});

test('an unreadable certificate file is named', async () => {
  const url = await serve(otlpListener(['traces', 'logs', 'metrics']));
  expect(await look(url, { OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: '/no/such.pem' })).toMatch(
    /^problem OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: cannot be read.*ENOENT/,
  );
});

test('a port that does not speak HTTP is a problem', async () => {
  const port = await serveTcp((socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
  expect(await look(`http://127.0.0.1:${port}`)).toMatch(/^problem .*no answer: /);
});

function closing(server: Http2Server): () => Promise<void> {
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  return async () => {
    for (const session of sessions) session.destroy();
    if (server.listening) await once(server.close(), 'close');
  };
}
