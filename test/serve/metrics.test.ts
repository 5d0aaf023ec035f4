import { expect, onTestFinished, test } from 'vitest';
import { serveMetrics } from '../../src/serve/metrics.ts';
import { listen } from '../support/receiver.ts';

test('the metrics are served as Prometheus text, behind the token', async () => {
  const handler = serveMetrics({ readText: async () => 'x 1 # ä\n', token: 'token-of-sixteen' });
  const { url, close } = await listen((req, res) => handler(req, res));
  onTestFinished(close);
  expect((await fetch(`${url}/metrics`)).status).toBe(401);
  const headers = { authorization: 'Bearer token-of-sixteen' };
  const response = await fetch(`${url}/metrics`, { headers });
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(await response.text()).toBe('x 1 # ä\n');
});
