import { expect, test } from 'vitest';
import { TasktrailError } from '../../src/errors.ts';
import { encodingOf, errorAnswer, successAnswer } from '../../src/receive/otlp-response.ts';
import { LOGS } from './requests.ts';

test.each([
  ['application/json', 'json'],
  ['Application/JSON; charset=utf-8', 'json'],
  ['application/x-protobuf', 'protobuf'],
  ['text/plain', undefined],
  [undefined, undefined],
])('the encoding of %s is %s', (type, expected) => {
  expect(encodingOf(type)).toBe(expected);
});

test('a full success has an empty body', () => {
  const none = [{ rejected: 0, reasons: [] }];
  expect(successAnswer(LOGS, 'json', none)).toMatchObject({ status: 200, body: '{}' });
  expect(successAnswer(LOGS, 'protobuf', none).body).toHaveLength(0);
});

test('a partial success adds the counts, and names each reason once', () => {
  const results = [
    { rejected: 2, reasons: ['a', 'b'] },
    { rejected: 1, reasons: ['a'] },
  ];
  const { body, headers } = successAnswer(LOGS, 'json', results);
  expect(headers['Content-Type']).toBe('application/json');
  expect(JSON.parse(String(body))).toEqual({
    partialSuccess: { rejectedLogRecords: '3', errorMessage: 'a; b' },
  });
});

test.each([
  ['ERR_INPUT_INVALID', 400, undefined],
  ['ERR_UNAUTHORIZED', 401, ['WWW-Authenticate', 'Bearer realm="tasktrail"']],
  ['ERR_METHOD_NOT_ALLOWED', 405, ['Allow', 'POST']],
  ['ERR_TOO_LARGE', 413, undefined],
  ['ERR_TYPE_UNSUPPORTED', 415, undefined],
  ['ERR_UNEXPECTED', 500, undefined],
  ['ERR_STORE_UNAVAILABLE', 503, ['Retry-After', '5']],
] as const)('%s is answered with %d', (code, status, header) => {
  const answer = errorAnswer('json', new TasktrailError(code, 'why'));
  expect(answer.status).toBe(status);
  expect(JSON.parse(String(answer.body))).toMatchObject({ code: expect.any(Number), message: 'why' });
  if (header !== undefined) expect(answer.headers[header[0]]).toBe(header[1]);
});

test('an error in protobuf is a google.rpc.Status', () => {
  const { body } = errorAnswer('protobuf', new TasktrailError('ERR_INPUT_INVALID', 'why'));
  expect(Buffer.from(body as Uint8Array).toString('hex')).toBe(
    `08031203${Buffer.from('why').toString('hex')}`,
  );
});
