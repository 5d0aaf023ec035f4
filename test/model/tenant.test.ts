import { expect, test } from 'vitest';
import { folderOfTenant, keyPrefixOf, queuePrefixOf, readTenant } from '../../src/model/tenant.ts';
import { fc } from '../support/fast-check.ts';

const number = fc.integer({ min: 0, max: 2 ** 32 - 1 });

test('two tenants never have a key or a folder in common, and one has the same however it is written', () => {
  fc.assert(
    fc.property(fc.array(number, { minLength: 4, maxLength: 4 }), ([a = 0, b = 0, c = 0, d = 0]) => {
      const [one, other] = [`${a}:${b}`, `${c}:${d}`];
      const isSame = a === c && b === d;
      expect(queuePrefixOf(one) === queuePrefixOf(other)).toBe(isSame);
      expect(folderOfTenant(one) === folderOfTenant(other)).toBe(isSame);
      // Neither is the beginning of the other one.
      expect(`${queuePrefixOf(one)}:`.startsWith(`${queuePrefixOf(other)}:`)).toBe(isSame);
      expect(queuePrefixOf(`0${one}`.slice(-one.length - (String(a).length < 10 ? 1 : 0)))).toBe(
        queuePrefixOf(one),
      );
    }),
  );
  expect(queuePrefixOf('7')).toBe(queuePrefixOf('7:0'));
  expect(folderOfTenant('7')).toBe('7-0');
});

test('without a tenant the keys are those that they were', () => {
  expect(queuePrefixOf(undefined)).toBe('tasktrail');
  expect(folderOfTenant(undefined)).toBeUndefined();
  expect(keyPrefixOf({ account: '12', project: '3' })).toBe('tasktrail:{store 12:3}');
});

test('any other text is no tenant', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 14 }), (text) => {
      fc.pre(!/^[0-9]{1,10}(?::[0-9]{1,10})?$/.test(text));
      expect(readTenant(text)).toBeUndefined();
    }),
  );
  for (const text of ['4294967296', '0:4294967296', '1\n', '\n1', '1:2\u0000', '\u0661', '1:'])
    expect(readTenant(text)).toBeUndefined();
});
