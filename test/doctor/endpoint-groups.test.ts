import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { certificateFindings, endpointGroups, unsentFindings } from '../../src/doctor/endpoint-groups.ts';
import { linesOf, subjectOf, tempDir } from './subject.ts';

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';

test('signals that go to the same server are one group, with traces first', () => {
  const [group, ...others] = endpointGroups(
    subjectOf({ [ENDPOINT]: 'http://user:pass@collector:4318/base' }),
  );
  expect(others).toEqual([]);
  expect(group).toMatchObject({
    where: `${ENDPOINT} http://collector:4318/base`,
    origin: 'http://collector:4318',
    lead: { signal: 'traces' },
  });
  expect(group?.others.map(({ signal }) => signal)).toEqual(['logs', 'metrics']);
});

test('a signal with an address of its own is a group of its own, named after its setting', () => {
  const own = 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT';
  const subject = subjectOf({
    [ENDPOINT]: 'http://collector:4318',
    [own]: 'http://prometheus:9090/v1/metrics',
  });
  expect(endpointGroups(subject).map(({ where }) => where)).toEqual([
    `${ENDPOINT} http://collector:4318`,
    `${own} http://prometheus:9090/v1/metrics`,
  ]);
});

test('without the common endpoint only signals with an address of their own are sent', () => {
  const subject = subjectOf({
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://a/v1/traces',
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://b/v1/metrics',
  });
  expect(endpointGroups(subject).map(({ origin }) => origin)).toEqual(['http://a', 'http://b']);
  expect(linesOf(unsentFindings(subject))).toBe(
    'ok OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: not set: logs go to the files only',
  );
  expect(linesOf(unsentFindings(subjectOf()))).toBe(`ok ${ENDPOINT}: not set: records go to the files only`);
  expect(unsentFindings(subjectOf({ [ENDPOINT]: 'http://a' }))).toEqual([]);
});

test('a certificate file that cannot be read is a problem, one that can is not', () => {
  const path = join(tempDir(), 'ca.pem');
  writeFileSync(path, '');
  const missing = { OTEL_EXPORTER_OTLP_CLIENT_KEY: '/no/such.pem' };
  expect(certificateFindings(subjectOf({ OTEL_EXPORTER_OTLP_CERTIFICATE: path }))).toEqual([]);
  expect(linesOf(certificateFindings(subjectOf(missing)))).toMatch(
    /^problem OTEL_EXPORTER_OTLP_CLIENT_KEY: cannot be read, so it is not used: ENOENT/,
  );
});
