import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';

const cwd = mkdtempSync(join(tmpdir(), 'tasktrail-config-metrics-'));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

type Env = Readonly<Record<string, string>>;

const load = (env: Env): unknown => loadConfig({ env, cwd }).metrics;

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const OWN = 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT';

test.each<[string, Env, string]>([
  [
    'the path is appended to the general endpoint',
    { [ENDPOINT]: 'http://c:4318' },
    'http://c:4318/v1/metrics',
  ],
  ['also after a trailing slash', { [ENDPOINT]: 'http://c:4318/otlp/' }, 'http://c:4318/otlp/v1/metrics'],
  ['the metrics endpoint is used unchanged', { [ENDPOINT]: 'http://c:1', [OWN]: 'http://p/x' }, 'http://p/x'],
  [
    'otlp in a list of exporters',
    { [OWN]: 'http://p/x', OTEL_METRICS_EXPORTER: 'console, OTLP' },
    'http://p/x',
  ],
])('the URL of metrics: %s', (_what, env, url) => {
  expect(load(env)).toEqual({ url, protocol: 'http/protobuf', intervalMs: 15_000 });
});

test.each<[string, Env]>([
  ['no endpoint is set', {}],
  ['the exporter is none', { [ENDPOINT]: 'http://c:4318', OTEL_METRICS_EXPORTER: 'none' }],
  ['the exporter is prometheus', { [OWN]: 'http://p/x', OTEL_METRICS_EXPORTER: 'prometheus' }],
])('metrics are not exported if %s', (_what, env) => {
  expect(load(env)).toBeUndefined();
});

test('protocol and interval come from the standard settings', () => {
  const env = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_METRIC_EXPORT_INTERVAL: '60000' };
  expect(load({ ...env, [OWN]: 'http://p/x' })).toMatchObject({ protocol: 'http/json', intervalMs: 60_000 });
  const own = { ...env, OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf' };
  expect(load({ ...own, [OWN]: 'http://p/x' })).toMatchObject({ protocol: 'http/protobuf' });
});

test.each(['0', '-1', '1.5', 'often', '1e9'])('the interval %j is rejected', (value) => {
  expect(() => load({ OTEL_METRIC_EXPORT_INTERVAL: value })).toThrow(/^OTEL_METRIC_EXPORT_INTERVAL: /);
});

test('an endpoint that is not a URL is rejected', () => {
  expect(() => load({ [OWN]: 'localhost:4318' })).toThrow(/^OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: use a URL/);
});
