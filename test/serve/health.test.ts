import { expect, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { serveHealth } from '../../src/serve/health.ts';
import { ask, listen } from './log-server.ts';

test('/healthz answers ok while a part is not ready', async () => {
  const books = new Books();
  books.setReason('store', 'disk full');
  const port = await listen(serveHealth({ books }));
  const got = await ask(port, '/healthz');
  expect(got.status).toBe(200);
  expect(got.json()).toEqual({ status: 'ok' });
  expect(got.headers['cache-control']).toBe('no-store');
});

test('/readyz is 503 with the reason of each part that is not ready, and 200 afterwards', async () => {
  const books = new Books();
  const port = await listen(serveHealth({ books, version: '1.2.3' }));
  books.setReason('store', 'disk full');
  books.setNotice('endpoint', 'takes no logs');
  books.countRecorded(3);
  const broken = await ask(port, '/readyz');
  expect(broken.status).toBe(503);
  expect(broken.json()).toEqual({
    status: 'not_ready',
    reasons: { store: 'disk full' },
    notices: { endpoint: 'takes no logs' },
    books: books.snapshot(),
    version: '1.2.3',
  });
  books.setReason('store', undefined);
  const ready = await ask(port, '/readyz');
  expect(ready.status).toBe(200);
  expect(ready.json()).toMatchObject({ status: 'ready', reasons: {}, books: { recorded: 3 } });
});

test('health paths answer HEAD, refuse other methods, and leave other paths alone', async () => {
  const port = await listen(serveHealth({ books: new Books() }));
  const head = await ask(port, '/readyz', { method: 'HEAD' });
  expect([head.status, head.text]).toEqual([200, '']);
  const posted = await ask(port, '/healthz', { method: 'POST' });
  expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD']);
  expect((await ask(port, '/metrics')).status).toBe(404);
});
