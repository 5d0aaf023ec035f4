import { expect, test } from 'vitest';
import { jaegerServices, knownProgramAt } from '../../src/doctor/known-program.ts';
import { notFound, otlpListener, serve, statusOf } from './subject.ts';

test.each<[string, string, [number, string]]>([
  ['service', '/readyz', [503, '{"reasons":{},"books":{}}']],
  ['receiver', '/v1/metrics', [404, 'this receiver takes /v1/logs and /v1/traces']],
  ['prometheus', '/-/healthy', [200, 'Prometheus Server is Healthy.']],
  ['grafana', '/api/health', [200, '{"database":"ok"}']],
  ['loki', '/loki/api/v1/status/buildinfo', [200, '{"version":"3"}']],
  ['tempo', '/api/echo', [200, 'echo\n']],
  ['jaeger-ui', '/api/v3/services', [200, '{"services":[]}']],
])('a %s is recognised by its answer to %s', async (kind, path, [status, text]) => {
  const url = await serve((req, res) =>
    req.url === path ? statusOf(status, {}, text)(req, res) : notFound(req, res),
  );
  expect(await knownProgramAt(url)).toMatchObject({ kind, answer: { status } });
});

test('an OTLP receiver is a collector with logs, and a Jaeger without', async () => {
  expect((await knownProgramAt(await serve(otlpListener(['traces', 'logs']))))?.kind).toBe('collector');
  expect((await knownProgramAt(await serve(otlpListener(['traces']))))?.kind).toBe('jaeger');
});

test('another web server is not recognised, and neither is a closed port', async () => {
  expect(await knownProgramAt(await serve(statusOf(200, {}, '<html>')))).toBeUndefined();
  expect(await knownProgramAt('http://127.0.0.1:1')).toBeUndefined();
});

test.each<[number, string, Record<string, string>, readonly unknown[] | undefined]>([
  [200, '{"services":["a"]}', {}, ['a']],
  [200, '{}', { traceresponse: '00-1-2-01' }, []],
  [200, '{}', {}, undefined],
  [500, '{"services":["a"]}', {}, undefined],
])('the services of a Jaeger are read from its answer (%#)', (status, text, headers, expected) => {
  expect(jaegerServices({ status, text, headers })).toEqual(expected);
});
