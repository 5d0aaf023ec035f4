import { expect, test } from 'vitest';
import { readAnyValue, readKeyValues } from '../../src/receive/any-value.ts';
import { Check } from '../../src/receive/fields.ts';

function read(value: unknown): [unknown, string | undefined] {
  const check = new Check();
  return [readAnyValue(value, check), check.problem];
}

test.each<[unknown, unknown]>([
  [{ stringValue: 'a', unknown: 1 }, { stringValue: 'a' }],
  [{ boolValue: false }, { boolValue: false }],
  [{ intValue: 5 }, { intValue: '5' }],
  [{ intValue: '-9223372036854775808' }, { intValue: '-9223372036854775808' }],
  [{ intValue: '007' }, { intValue: '7' }],
  [{ doubleValue: '1.5' }, { doubleValue: 1.5 }],
  [{ doubleValue: 'NaN' }, { doubleValue: 'NaN' }],
  [{ bytesValue: 'AQI=' }, { bytesValue: 'AQI=' }],
  [{ arrayValue: {} }, { arrayValue: { values: [] } }],
  [
    { kvlistValue: { values: [{ key: 'a', value: { intValue: 1 } }] } },
    { kvlistValue: { values: [{ key: 'a', value: { intValue: '1' } }] } },
  ],
  [null, {}],
  [{}, {}],
])('%j is read in canonical form', (raw, expected) => {
  expect(read(raw)).toEqual([expected, undefined]);
});

test.each<[unknown, string]>([
  ['text', 'a value is not an object'],
  [{ boolValue: 'yes' }, 'a boolValue is not a boolean'],
  [{ intValue: '9223372036854775808' }, 'an intValue is not a 64-bit integer'],
  [{ intValue: 1.5 }, 'an intValue is not a 64-bit integer'],
  [{ doubleValue: ' ' }, 'a doubleValue is not a number'],
  [{ arrayValue: { values: {} } }, 'the values of an arrayValue is not an array'],
])('%j is refused: %s', (raw, problem) => {
  expect(read(raw)[1]).toBe(problem);
});

test('an attribute that is not an object is left out, with a problem', () => {
  const check = new Check();
  const pairs = readKeyValues([null, { key: 'a', value: { stringValue: 'b' } }], 'attributes', check);
  expect(pairs).toEqual([{ key: 'a', value: { stringValue: 'b' } }]);
  expect(check.problem).toBe('an attribute is not an object');
});
