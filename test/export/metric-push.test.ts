import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { emptyResource } from '@opentelemetry/resources';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { type MetricPush, PushedMetrics } from '../../src/export/metric-push.ts';

interface Endpoint {
  readonly push: MetricPush;
  /** Content type of each request. */
  readonly types: (string | undefined)[];
}

async function endpoint(status: () => number, protocol: MetricPush['protocol']): Promise<Endpoint> {
  const types: (string | undefined)[] = [];
  const server = createServer((req, res) => {
    types.push(req.headers['content-type']);
    req.resume().on('end', () => res.writeHead(status()).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { push: { url: `http://127.0.0.1:${port}/v1/metrics`, protocol, intervalMs: 1_000 }, types };
}

function exportOnce(pushed: PushedMetrics): Promise<ExportResult> {
  return new Promise((resolve) => pushed.export({ resource: emptyResource(), scopeMetrics: [] }, resolve));
}

afterEach(() => vi.unstubAllEnvs());

test.each<[MetricPush['protocol'], string]>([
  ['http/json', 'application/json'],
  ['http/protobuf', 'application/x-protobuf'],
])('metrics are sent as %s', async (protocol, type) => {
  const { push, types } = await endpoint(() => 200, protocol);
  const notices: unknown[] = [];
  const pushed = new PushedMetrics(push, (notice) => notices.push(notice));
  await exportOnce(pushed);
  expect(types).toEqual([type]);
  expect(notices).toEqual([undefined]);
  await pushed.shutdown();
});

test('an endpoint without the path is called once', async () => {
  const { push, types } = await endpoint(() => 404, 'http/json');
  const notices: unknown[] = [];
  const pushed = new PushedMetrics(push, (notice) => notices.push(notice));
  for (let n = 0; n < 3; n += 1) {
    expect((await exportOnce(pushed)).code).toBe(ExportResultCode.SUCCESS);
  }
  expect(types).toHaveLength(1);
  expect(notices).toEqual(['takes no metrics: they are not sent there']);
});

test('any other failure is a notice, which the next successful export clears', async () => {
  let status = 400;
  const { push, types } = await endpoint(() => status, 'http/json');
  const notices: unknown[] = [];
  const pushed = new PushedMetrics(push, (notice) => notices.push(notice));
  await exportOnce(pushed);
  status = 200;
  await exportOnce(pushed);
  expect(types).toHaveLength(2);
  expect(notices).toEqual([expect.stringMatching(/^metrics were not taken: /), undefined]);
});

test('settings that the exporter rejects are a notice too', async () => {
  const notices: unknown[] = [];
  const push = { url: 'not a url', protocol: 'http/json', intervalMs: 1_000 } as const;
  const pushed = new PushedMetrics(push, (notice) => notices.push(notice));
  expect((await exportOnce(pushed)).code).toBe(ExportResultCode.SUCCESS);
  expect(notices).toEqual([expect.stringMatching(/^metrics (?:cannot be sent|were not taken): /)]);
  await pushed.forceFlush();
  await pushed.shutdown();
});
