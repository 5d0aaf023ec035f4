import { expect, test } from 'vitest';
import { checkClocks } from '../../src/doctor/clocks.ts';
import { checkEndpoint } from '../../src/doctor/endpoint.ts';
import { checkTraceUrls } from '../../src/doctor/trace-urls.ts';
import { freePort } from '../support/free-port.ts';
import { linesOf, serve, statusOf, subjectOf } from './subject.ts';

async function look(templates: string): Promise<string> {
  return linesOf(await checkTraceUrls(subjectOf({ TASK_LOGS_TRACE_URL: templates })));
}

test('without templates nothing is checked', async () => {
  expect(linesOf(await checkTraceUrls(subjectOf()))).toBe('');
});

test('a Jaeger, another server and a closed port are each checked once', async () => {
  const jaeger = await serve((req, res) => {
    res.setHeader('content-type', 'application/json');
    res.end(req.url === '/api/v3/services' ? '{"services":["a","b"]}' : '<html>');
  });
  const grafana = await serve(statusOf(302, { location: '/login' }));
  const gone = `http://127.0.0.1:${await freePort()}`;
  const templates = [`${jaeger}/trace/{trace_id}`, `${jaeger}/search?q={trace_id}`]
    .concat([`${grafana}/explore?left={trace_id}`, `${gone}/{trace_id}`])
    .join(' ');
  expect((await look(templates)).split('\n')).toEqual([
    `ok TASK_LOGS_TRACE_URL ${jaeger}: a Jaeger, which knows 2 service(s)`,
    `ok TASK_LOGS_TRACE_URL ${grafana}: answers (302)`,
    expect.stringMatching(/^warning .*nothing listens there: links to traces do not work from here -> /),
  ]);
});

test('a Jaeger without traces is recognised, another empty object is not', async () => {
  const jaeger = await serve(statusOf(200, { traceresponse: '00-1-2-01' }, '{}'));
  expect(await look(`${jaeger}/{trace_id}`)).toMatch(/a Jaeger, which knows 0 service/);
  expect(await look(`${await serve(statusOf(200, {}, '{}'))}/{trace_id}`)).toMatch(/answers \(200\)$/);
});

test.each([
  [0, 'ok', 'agrees with'],
  [-50_000, 'ok', 'agrees with'],
  [-300_000, 'warning', '300 s ahead of the clock of'],
  [300_000, 'warning', '(299|300|301) s behind the clock of'],
])('a clock that is %d ms off is %s', async (offMs, level, what) => {
  const date = new Date(Date.now() + offMs).toUTCString();
  const url = await serve(statusOf(200, { date }, '{}'));
  const subject = subjectOf({ TASK_LOGS_TRACE_URL: `${url}/{trace_id}`, OTEL_EXPORTER_OTLP_ENDPOINT: url });
  for (const check of [checkTraceUrls, checkEndpoint]) {
    subject.clocks.clear();
    await check(subject);
    const lines = linesOf(checkClocks(subject.clocks)).replace(/30[01] s ahead/, '300 s ahead');
    expect(lines).toMatch(new RegExp(`^${level} this machine: ${what} ${url}`));
  }
});

test('without Date headers there is no finding about clocks', async () => {
  expect(checkClocks(new Map())).toEqual([]);
});
