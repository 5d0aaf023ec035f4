import { expect, test } from 'vitest';
import { accepts, exactly, fieldValues } from '../../src/model/field-values.ts';

test.each([
  ['bad,cat', ['bad', 'cat'], ['bad,cat', 'ba', undefined]],
  ['acme/*', ['acme/', 'acme/x'], ['acm', 'other']],
  ['*', ['x', 'any'], [undefined, null, 7]],
  ['"a,b*"', ['a,b*'], ['a', 'b', 'a,bc']],
  [exactly('a,"b*'), ['a,"b*'], ['a']],
])('%s accepts the values that it names', (filter, wanted, others) => {
  expect(wanted.filter((value) => !accepts(filter, value))).toEqual([]);
  expect(others.filter((value) => accepts(filter, value))).toEqual([]);
});

test('a quote alone is a value', () => {
  expect(fieldValues('"')).toEqual([{ text: '"', isPrefix: false }]);
  expect(accepts(undefined, undefined)).toBe(true);
});
