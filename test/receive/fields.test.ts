import { expect, test } from 'vitest';
import { Check, readInteger, readList, readNanos, readObject, readText } from '../../src/receive/fields.ts';

/** The value, and the problem that reading it leaves. */
function read<T>(
  reader: (value: unknown, field: string, check: Check) => T,
  value: unknown,
): [T, string | undefined] {
  const check = new Check();
  return [reader(value, 'field', check), check.problem];
}

test('the first problem of a record is kept', () => {
  const check = new Check();
  expect(check.problem).toBeUndefined();
  check.refuse('first');
  check.refuse('second');
  expect(check.problem).toBe('first');
});

test('absent and null fields have their default, without a problem', () => {
  for (const value of [undefined, null]) {
    expect(read(readText, value)).toEqual(['', undefined]);
    expect(read(readList, value)).toEqual([[], undefined]);
    expect(read(readObject, value)).toEqual([undefined, undefined]);
    expect(read(readInteger, value)).toEqual([0, undefined]);
    expect(read(readNanos, value)).toEqual(['0', undefined]);
  }
});

test('a value of another type has the default and a problem with the name of the field', () => {
  expect(read(readText, 7)).toEqual(['', 'field is not a string']);
  expect(read(readList, {})).toEqual([[], 'field is not an array']);
  expect(read(readObject, [])).toEqual([undefined, 'field is not an object']);
  expect(read(readInteger, '7')).toEqual([0, 'field is not a 32-bit integer']);
  expect(read(readNanos, {})).toEqual(['0', 'field is not a number of nanoseconds']);
});

test.each([
  [2 ** 32 - 1, 2 ** 32 - 1],
  [-(2 ** 31), -(2 ** 31)],
  [2 ** 32, 0],
  [1.5, 0],
])('%d is read as the 32-bit integer %d', (value, expected) => {
  expect(read(readInteger, value)[0]).toBe(expected);
});

test.each<[unknown, string, boolean]>([
  ['18446744073709551615', '18446744073709551615', true],
  ['18446744073709551616', '0', false],
  ['0001', '1', true],
  ['000', '0', true],
  ['-1', '0', false],
  ['1e9', '0', false],
  [1_700_000_000_000_000_000, '1700000000000000000', true],
  [-1, '0', false],
  [0.5, '0', false],
  [2 ** 64, '0', false],
])('a time of %j is %s', (value, expected, isValid) => {
  const [nanos, problem] = read(readNanos, value);
  expect([nanos, problem === undefined]).toEqual([expected, isValid]);
});
