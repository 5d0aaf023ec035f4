import { expect, test } from 'vitest';
import { bearerTokenOf, isAnyOf } from '../../src/model/secret.ts';

test.each<[readonly string[], string | Buffer, boolean]>([
  [['secret'], 'secret', true],
  [['old', 'new'], 'old', true],
  [['old', 'new'], 'new', true],
  [['schlüssel'], Buffer.from('schlüssel'), true],
  [['schlüssel'], Buffer.from('schlüssel', 'latin1'), false],
  [['secret'], 'secret ', false],
  [['secret'], 'secre', false],
  [['secret'], '', false],
  [[], 'secret', false],
])('one of %j is %j: %s', (secrets, given, expected) => {
  expect(isAnyOf(secrets, given)).toBe(expected);
});

test.each<[string | undefined, string | undefined]>([
  ['Bearer secret', 'secret'],
  ['bearer   secret  ', 'secret'],
  ['Bearer two words', 'two words'],
  ['Bearer', undefined],
  ['Bearer ', undefined],
  ['Basic secret', undefined],
  ['x Bearer secret', undefined],
  ['', undefined],
  [undefined, undefined],
])('the bearer token of %j is %j', (authorization, token) => {
  expect(bearerTokenOf(authorization)).toBe(token);
});
