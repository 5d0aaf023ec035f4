import { describe, expect, it, test } from 'vitest';
import { canonicalJson } from '../../src/model/canonical-json.ts';
import type { JsonValue } from '../../src/model/json.ts';
import { anyValueFromPlain, type OtlpAnyValue, plainFromAnyValue } from '../../src/model/otlp.ts';
import { sha256OfJson } from '../../src/model/sha256.ts';
import { fc } from '../support/fast-check.ts';
import { reversedKeys } from '../support/reversed-keys.ts';

const json = (text: string): JsonValue => JSON.parse(text);

describe('the canonical text', () => {
  it.each([
    [
      'keys at every depth',
      '{"b":{"d":1,"c":[{"f":1,"e":2}]},"a":0}',
      '{"a":0,"b":{"c":[{"e":2,"f":1}],"d":1}}',
    ],
    ['keys that look like integers', '{"9":1,"10":2,"-1":3,"a":4}', '{"-1":3,"10":2,"9":1,"a":4}'],
    ['a key named __proto__', '{"b":1,"__proto__":{"y":1,"x":2}}', '{"__proto__":{"x":2,"y":1},"b":1}'],
    ['keys by UTF-16 code units', '{"\\ufb33":1,"\\ud83d\\ude02":2}', '{"\u{1f602}":2,"\ufb33":1}'],
    ['different spellings of numbers', '[1.0,1e2,-0,0.10,1E-7,1e21]', '[1,100,0,0.1,1e-7,1e+21]'],
    ['lone surrogates', '{"a":"\\ud800","\\udfff":1}', '{"a":"\\ud800","\\udfff":1}'],
    ['unnecessary escapes', '"\\u0041\\/\\n"', '"A/\\n"'],
    ['white space', ' { "a" : [ 1 , null ] } ', '{"a":[1,null]}'],
    ['the order of a list', '[3,1,2]', '[3,1,2]'],
  ])('is normalized for %s', (_what, text, expected) => {
    expect(canonicalJson(json(text))).toBe(expected);
  });

  it.each([
    ['another type', '1', '"1"'],
    ['null and a missing key', '{"a":null}', '{}'],
    ['another order of a list', '[1,2]', '[2,1]'],
    ['composed and decomposed letters', '"\\u00e9"', '"e\\u0301"'],
    ['two lone surrogates', '"\\ud800"', '"\\ud801"'],
    ['a lone surrogate and its replacement', '"\\ud800"', '"\\ufffd"'],
    ['numbers that differ in the last bit', '0.1', '0.10000000000000002'],
  ])('differs for %s', (_what, one, other) => {
    expect(canonicalJson(json(one))).not.toBe(canonicalJson(json(other)));
    expect(sha256OfJson(json(one))).not.toBe(sha256OfJson(json(other)));
  });

  it('omits undefined members, and optionally a given key at every depth', () => {
    const value = { b: undefined, ms: 1, a: [{ ms: 2, c: 3 }] };
    expect(canonicalJson(value)).toBe('{"a":[{"c":3,"ms":2}],"ms":1}');
    expect(canonicalJson(value, 'ms')).toBe('{"a":[{"c":3}]}');
    expect(canonicalJson(undefined)).toBe('null');
  });

  it('has NaN and infinities in the form in which OTLP stores them', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(canonicalJson([value])).toBe(canonicalJson([plainFromAnyValue(anyValueFromPlain(value))]));
    }
  });
});

const VALUES = fc.jsonValue({ noUnicodeString: false, depthSize: 'medium' });

test('two values have the same text and hash exactly if they differ only in key order', () => {
  fc.assert(
    fc.property(VALUES, VALUES, (one, other) => {
      const value = json(JSON.stringify(one));
      expect(canonicalJson(reversedKeys(value) as JsonValue)).toBe(canonicalJson(value));
      expect(sha256OfJson(reversedKeys(value) as JsonValue)).toBe(sha256OfJson(value));
      expect(JSON.parse(canonicalJson(value))).toEqual(value);
      const second = json(JSON.stringify(other));
      let isEqual = true;
      try {
        expect(value).toStrictEqual(second);
      } catch {
        // An assertion error: the values differ.
        isEqual = false;
      }
      expect(canonicalJson(value) === canonicalJson(second)).toBe(isEqual);
    }),
  );
});

test('a value has the same text before and after its conversion to OTLP', () => {
  fc.assert(
    fc.property(VALUES, (value) => {
      const plain = json(JSON.stringify(value));
      const sent = JSON.parse(JSON.stringify(anyValueFromPlain(plain))) as OtlpAnyValue;
      expect(canonicalJson(plainFromAnyValue(sent))).toBe(canonicalJson(plain));
    }),
  );
});
