import { expect, test } from 'vitest';
import { errnoOf, messageOf, TasktrailError } from '../src/errors.ts';

test('an error has its code and its cause, and is not retryable by default', () => {
  const cause = new Error('below');
  const error = new TasktrailError('ERR_CONFLICT', 'twice', { cause });
  expect(error).toMatchObject({ name: 'TasktrailError', code: 'ERR_CONFLICT', message: 'twice', cause });
  expect(error.retryable).toBe(false);
  expect('cause' in new TasktrailError('ERR_GONE', 'x')).toBe(false);
  expect(new TasktrailError('ERR_STORE_UNAVAILABLE', 'x', { retryable: true }).retryable).toBe(true);
});

test.each<[unknown, string]>([
  [new Error('boom'), 'boom'],
  [new RangeError(''), 'RangeError'],
  ['text', 'text'],
  [undefined, 'undefined'],
  [{ toString: () => 'own text' }, 'own text'],
  [Object.create(null), 'unreadable error'],
  [
    Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('getter');
      },
    }),
    'unreadable error',
  ],
])('every thrown value has a message (%#)', (thrown, expected) => {
  expect(messageOf(thrown)).toBe(expected);
});

test.each<[unknown, string | undefined]>([
  [Object.assign(new Error('x'), { code: 'ENOENT' }), 'ENOENT'],
  [Object.assign(new Error('x'), { code: 404 }), undefined],
  [new Error('x'), undefined],
  [{ code: 'ENOENT' }, undefined],
])('only an Error with a string code has an errno (%#)', (thrown, expected) => {
  expect(errnoOf(thrown)).toBe(expected);
});

test.skipIf(process.platform !== 'linux')(
  'an error of the disk that Node has no name for has its own',
  () => {
    const quota = Object.assign(new Error('UNKNOWN: unknown error, write'), { code: 'UNKNOWN', errno: -122 });
    expect(errnoOf(quota)).toBe('EDQUOT');
    expect(messageOf(quota)).toBe('EDQUOT: disk quota exceeded, write');
    const twice = 'Unknown system error -122: Unknown system error -122, write';
    const later = Object.assign(new Error(twice), { code: 'Unknown system error -122', errno: -122 });
    expect(errnoOf(later)).toBe('EDQUOT');
    expect(messageOf(later)).toBe('EDQUOT: disk quota exceeded, write');
    const other = Object.assign(new Error('UNKNOWN: unknown error, write'), {
      code: 'UNKNOWN',
      errno: -9_999,
    });
    expect(errnoOf(other)).toBe('UNKNOWN');
    expect(messageOf(other)).toBe('UNKNOWN: unknown error, write');
  },
);
