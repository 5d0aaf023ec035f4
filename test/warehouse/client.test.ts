import { createServer, type RequestListener } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { PartAwayError, VictoriaLogs } from '../../src/warehouse/client.ts';
import { listen } from '../serve/log-server.ts';

async function answering(handler: RequestListener, silenceMs = 5_000): Promise<VictoriaLogs> {
  const port = await listen(createServer(handler));
  return new VictoriaLogs(`victorialogs://127.0.0.1:${port}`, { insertMs: silenceMs, silenceMs });
}

const UNAVAILABLE = { code: 'ERR_STORE_UNAVAILABLE', retryable: true };

test.each([400, 404, 429, 500, 503, 301])(
  'an answer %d is no success, and its text is in the message',
  async (status) => {
    const logs = await answering((_req, res) => {
      res.writeHead(status, { location: 'http://127.0.0.1:1/' }).end('it is in read-only mode\n');
    });
    await expect(logs.insert('{}\n')).rejects.toMatchObject(UNAVAILABLE);
    await expect(logs.rows('*')).rejects.toMatchObject(UNAVAILABLE);
    if (status !== 301) await expect(logs.rows('*')).rejects.toThrow('it is in read-only mode');
  },
);

test('what a cluster answers without one of its parts has an error of its own', async () => {
  const asked: (string | null)[] = [];
  const port = await listen(
    createServer(async (req, res) => {
      let body = '';
      for await (const piece of req) body += piece;
      const isPartial = new URLSearchParams(body).get('allow_partial_response');
      asked.push(isPartial);
      res.writeHead(isPartial === '1' ? 200 : 502).end(isPartial === '1' ? '{"a":"1"}\n' : 'no node\n');
    }),
  );
  const address = `victorialogs://127.0.0.1:${port}`;
  await expect(new VictoriaLogs(address).rows('*')).rejects.toThrow(PartAwayError);
  await expect(new VictoriaLogs(address).rows('*')).rejects.toMatchObject(UNAVAILABLE);
  expect(await new VictoriaLogs(address, { isPartial: true }).rows('*')).toEqual([{ a: '1' }]);
  expect(asked).toEqual(['0', '0', '1']);
  const other = await answering((_req, res) => void res.writeHead(503).end());
  await expect(other.rows('*')).rejects.not.toThrow(PartAwayError);
});

test('a server that accepts and never answers is given up', async () => {
  const logs = await answering(() => {}, 50);
  await expect(logs.insert('{}\n')).rejects.toThrow('it does not answer');
  await expect(logs.rows('*')).rejects.toThrow('it does not answer');
});

test('an answer that stops half-way is given up', async () => {
  const logs = await answering((_req, res) => void res.write('{"a":"1"}\n'), 50);
  await expect(logs.rows('*')).rejects.toMatchObject(UNAVAILABLE);
});

test.each([
  ['half a row', '{"a":"1"}\n{"a":'],
  ['a whole row without its newline', '{"a":"1"}\n{"a":"2"}'],
  ['the text of an error between rows', '{"a":"1"}\ncannot execute query: out of memory\n'],
  ['another program', '<html>\n'],
])('%s in an answer is an error, not a shorter answer', async (_, body) => {
  const logs = await answering((_req, res) => void res.end(body));
  await expect(logs.rows('*')).rejects.toMatchObject(UNAVAILABLE);
});

test('a connection that breaks is an error', async () => {
  const logs = await answering((_req, res) => {
    res.writeHead(200, { 'content-length': '100' });
    res.write('{"a":"1"}\n', () => res.destroy());
  });
  await expect(logs.rows('*')).rejects.toMatchObject(UNAVAILABLE);
});

test('a kept connection that has ended is replaced; a server that ends each one is given up', async () => {
  let requests = 0;
  const once = await answering((req, res) => {
    requests += 1;
    if (requests === 2) req.socket.destroy();
    else req.resume().on('end', () => res.end());
  });
  await once.insert('{}\n');
  await once.insert('{}\n');
  expect(requests).toBe(3);
  const never = await answering((req) => void req.socket.destroy());
  await expect(never.insert('{}\n')).rejects.toMatchObject(UNAVAILABLE);
});

test('a row without an end does not fill the memory', async () => {
  const logs = await answering((_req, res) => {
    const timer = setInterval(() => res.write('x'.repeat(262_144)), 1);
    res.on('close', () => clearInterval(timer));
    onTestFinished(() => clearInterval(timer));
  });
  await expect(logs.rows('*')).rejects.toThrow('too long');
});

test('rows are sent as what VictoriaLogs reads as rows: another type would lose them with a 200', async () => {
  const seen: unknown[] = [];
  const logs = await answering((req, res) => {
    seen.push(req.method, req.url, req.headers['content-type']);
    req.resume().on('end', () => res.end());
  });
  await logs.insert('{}\n');
  expect(seen).toEqual([
    'POST',
    '/insert/jsonline?_stream_fields=app%2Ckind%2Cshard',
    'application/stream+json',
  ]);
});

test.each([
  ['it takes that', 200, true],
  ['it refuses', 403, false],
])('lines are made visible from time to time where %s', async (_, status, isRepeated) => {
  let asked = 0;
  const logs = await answering((req, res) => {
    if (req.url === '/internal/force_flush') asked += 1;
    res.writeHead(status).end();
  });
  for (let times = 0; times < 60; times += 1) {
    await logs.makeVisible();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(asked > 1).toBe(isRepeated);
  expect(asked).toBeLessThan(60);
});

test('lines are not made visible where the address says so', async () => {
  const port = await listen(createServer((_req, res) => res.destroy()));
  await expect(
    new VictoriaLogs(`victorialogs://127.0.0.1:${port}?flush=false`).makeVisible(),
  ).resolves.toBeUndefined();
});
