import { expect, test } from 'vitest';
import { isMissing, unreadable } from '../../src/store/file-errors.ts';

const errno = (code: string): Error => Object.assign(new Error(`${code}: open '/secret/path'`), { code });

test.each(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EISDIR'])(
  '%s means that there is no such file',
  (code) => {
    expect(isMissing(errno(code))).toBe(true);
  },
);

test.each(['EACCES', 'EIO', 'EMFILE'])('%s is an error of a file that exists', (code) => {
  expect(isMissing(errno(code))).toBe(false);
  expect(isMissing(new Error('other'))).toBe(false);
});

test.each([
  ['EACCES', false],
  ['EIO', false],
  ['EMFILE', true],
  ['ENFILE', true],
  ['ENOMEM', true],
  ['EAGAIN', true],
])('%s is reported without the path, retryable: %s', (code, retryable) => {
  const error = unreadable('the feed', errno(code));
  expect(error).toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
    message: `the feed cannot be read: ${code}`,
    retryable,
  });
});
