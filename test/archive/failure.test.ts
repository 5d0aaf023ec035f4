import { expect, test } from 'vitest';
import { statusOf, UploadError, uploadErrorOf } from '../../src/archive/failure.ts';

function s3Error(name: string, httpStatusCode?: number, message = 'secret detail'): Error {
  const metadata = httpStatusCode === undefined ? {} : { $metadata: { httpStatusCode } };
  return Object.assign(new Error(message), { name, ...metadata });
}

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

test.each([
  ['NoSuchBucket', 404, 'the bucket does not exist'],
  ['SignatureDoesNotMatch', 403, 'the credentials are refused'],
  ['AccessDenied', 403, 'access is denied'],
  ['RequestTimeTooSkewed', 403, 'the clock of this machine is wrong'],
  ['PermanentRedirect', 301, 'the bucket is in another region'],
])('%s concerns the bucket and names the remedy', (name, status, reason) => {
  const error = uploadErrorOf(s3Error(name, status));
  expect(error).toMatchObject({ scope: 'bucket', retryable: true, code: 'ERR_STORE_UNAVAILABLE' });
  expect(error.message).toContain(reason);
  expect(error.message).not.toContain('secret detail');
});

test.each([
  [403, 'bucket', 'access is denied'],
  [301, 'bucket', 'another region'],
  [404, 'bucket', 'the server answers 404'],
  [429, 'bucket', 'the server answers 429'],
  [500, 'bucket', 'the server answers 500'],
  [400, 'object', 'the server answers 400'],
  [411, 'object', 'the server answers 411'],
])('an unknown error with status %d concerns the %s', (status, scope, reason) => {
  const error = uploadErrorOf(s3Error('Unknown', status));
  expect(error.scope).toBe(scope);
  expect(error.message).toContain(reason);
});

test.each([
  [systemError('ECONNRESET'), 'the connection broke (ECONNRESET)'],
  [systemError('EPIPE'), 'the connection broke (EPIPE)'],
  [systemError('ETIMEDOUT'), 'the server does not answer in time'],
  [s3Error('TimeoutError'), 'the server does not answer in time'],
  [systemError('ECONNREFUSED'), 'the server cannot be reached: connect ECONNREFUSED'],
  ['no error object', 'no error object'],
])('without an answer the reason is that of the connection', (error, reason) => {
  expect(uploadErrorOf(error)).toMatchObject({ scope: 'bucket', message: reason });
});

test('a message of the server is one short line', () => {
  const { message } = uploadErrorOf(s3Error('Unknown', 400, `<html>\n${'x'.repeat(1_000)}`));
  expect(message).toMatch(/^the server answers 400 Unknown: <html> x+\.\.\.$/);
  expect(message.length).toBeLessThan(260);
});

test('an upload error is kept, and a status is read only from an answer', () => {
  const error = new UploadError('object', 'why');
  expect(uploadErrorOf(error)).toBe(error);
  expect(statusOf(s3Error('Unknown', 503))).toBe(503);
  for (const value of [s3Error('Unknown'), { $metadata: { httpStatusCode: 1 } }, null, 'x'])
    expect(statusOf(value)).toBeUndefined();
});
