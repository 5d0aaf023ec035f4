import { expect, test } from 'vitest';
import { resultOfBody, resultOfStatus } from '../../src/export/transport.ts';

test.each([429, 502, 503, 504])('status %d allows a retry, with the time of Retry-After', (status) => {
  expect(resultOfStatus(status, 'ignored')).toEqual({ kind: 'retry', reason: `status ${status}` });
  expect(resultOfStatus(status, '', 5)).toEqual({ kind: 'retry', reason: `status ${status}`, afterMs: 5 });
});

test.each([
  [413, { kind: 'too_large' }],
  [404, { kind: 'unsupported', status: 404 }],
  [405, { kind: 'unsupported', status: 405 }],
  [415, { kind: 'unsupported', status: 415 }],
  [501, { kind: 'unsupported', status: 501 }],
  [400, { kind: 'refused', status: 400, reason: 'status 400: why' }],
  [500, { kind: 'refused', status: 500, reason: 'status 500: why' }],
  [302, { kind: 'refused', status: 302, reason: 'status 302: why' }],
])('status %d is final', (status, result) => {
  expect(resultOfStatus(status, 'why', 5)).toEqual(result);
});

test('a reason holds at most 200 characters of the answer', () => {
  const result = resultOfStatus(400, 'x'.repeat(500));
  expect(result).toEqual({ kind: 'refused', status: 400, reason: `status 400: ${'x'.repeat(200)}` });
});

test.each([
  ['{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"why"}}', 2, 'why'],
  ['{"partialSuccess":{"rejectedSpans":3}}', 3, undefined],
  ['{"partialSuccess":{"errorMessage":"a warning"}}', 0, undefined],
  ['{"partialSuccess":{"rejectedSpans":-1}}', 0, undefined],
  ['{"partialSuccess":{"rejectedSpans":"many"}}', 0, undefined],
  ['{"partialSuccess":7}', 0, undefined],
  ['{}', 0, undefined],
  ['', 0, undefined],
  ['<html>', 0, undefined],
])('the body %s has %d rejected records', (body, rejected, reason) => {
  expect(resultOfBody(body)).toEqual({ kind: 'accepted', rejected, ...(reason !== undefined && { reason }) });
});
