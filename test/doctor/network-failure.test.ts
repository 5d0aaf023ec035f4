import { expect, test } from 'vitest';
import { explainFailure, isProtocolMismatch, type NetworkFailure } from '../../src/doctor/network-failure.ts';

const options = { host: 'collector', certificateSetting: 'OTEL_EXPORTER_OTLP_CERTIFICATE' };

function errorOf(code: string, message = 'failed'): Error {
  return Object.assign(new Error(message), { code });
}

test.each([
  ['ECONNREFUSED', 'nothing listens there', 'start it'],
  ['ENOTFOUND', 'no name server knows collector', 'correct the name'],
  ['EAI_AGAIN', 'no name server answers for collector', 'check the network'],
  ['EHOSTUNREACH', 'collector is not reachable', 'check the network'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'not trusted', 'set OTEL_EXPORTER_OTLP_CERTIFICATE'],
  ['CERT_HAS_EXPIRED', 'has expired', 'renew it'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'not for the name collector', 'use a name'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'client certificate', 'CLIENT_KEY'],
])('%s is explained with what to do', (code, what, advice) => {
  const found = explainFailure({ phase: 'connect', error: errorOf(code) }, options);
  expect(found.what).toContain(what);
  expect(found.advice).toContain(advice);
});

test.each<[NetworkFailure['phase'], string]>([
  ['lookup', 'no name server answers for collector'],
  ['connect', 'collector does not accept a connection in time'],
  ['answer', 'a program listens there and does not answer in time'],
])('a timeout in the phase %s is explained', (phase, what) => {
  expect(explainFailure({ phase, error: undefined }, options).what).toBe(what);
});

test('an unknown error is shown in one short line', () => {
  const error = errorOf('EWHATEVER', `first\n  second ${'x'.repeat(300)}`);
  const { what } = explainFailure({ phase: 'answer', error }, options);
  expect(what).toMatch(/^no answer: first second x+$/);
  expect(what.length).toBeLessThan(200);
});

test.each<[NetworkFailure, boolean]>([
  [{ phase: 'answer', error: undefined }, true],
  [{ phase: 'connect', error: undefined }, false],
  [{ phase: 'answer', error: errorOf('HPE_INVALID_CONSTANT') }, true],
  [{ phase: 'answer', error: errorOf('ERR_SSL_WRONG_VERSION_NUMBER') }, true],
  [{ phase: 'answer', error: errorOf('ECONNRESET') }, true],
  [{ phase: 'answer', error: errorOf('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED') }, false],
  [{ phase: 'connect', error: errorOf('ECONNREFUSED') }, false],
])('another protocol is suspected only after an answer that is not HTTP (%#)', (failure, expected) => {
  expect(isProtocolMismatch(failure)).toBe(expected);
});
