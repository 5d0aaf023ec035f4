import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { certificateFindings, endpointGroups, unusedFindings } from '../../src/doctor/endpoint-groups.ts';
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

test('without the common endpoint only the setting for metrics is used', () => {
  const settings = {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://a/v1/traces',
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://b/v1/metrics',
  };
  const subject = subjectOf(settings);
  expect(endpointGroups(subject).map(({ origin }) => origin)).toEqual(['http://b']);
  const lines = linesOf(unusedFindings(subject));
  expect(lines).toContain(
    `warning OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: is not used as long as ${ENDPOINT} is not set`,
  );
  expect(lines).not.toContain('METRICS');
  expect(lines).toContain(`ok ${ENDPOINT}: not set`);
});

test('an address of a signal that is not a URL is a problem', () => {
  const subject = subjectOf({ [ENDPOINT]: 'http://a', OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'collector' });
  expect(linesOf(unusedFindings(subject))).toMatch(/^problem OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: is not a URL/);
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
