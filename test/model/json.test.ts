import { describe, expect, it } from 'vitest';
import { parseJson, parseObject } from '../../src/model/json.ts';

describe('parsing JSON text', () => {
  it.each([
    ['{"a":1}', { a: 1 }],
    ['[1,2]', [1, 2]],
    ['"text"', 'text'],
    ['0', 0],
    ['null', null],
  ])('reads %s as its value', (text, value) => {
    expect(parseJson(text)).toEqual(value);
  });

  it.each(['', ' ', '{', '{"a":1} x', 'undefined', 'NaN', "{'a':1}"])('reads %j as undefined', (text) => {
    expect(parseJson(text)).toBeUndefined();
    expect(parseObject(text)).toBeUndefined();
  });

  it('parseObject returns an object only for a single JSON object', () => {
    expect(parseObject('{"a":{"b":[1]}}')).toEqual({ a: { b: [1] } });
    expect(parseObject('{}')).toEqual({});
    for (const text of ['[1]', '"text"', '0', 'true', 'null', '{"a":1}\n{"b":2}'])
      expect(parseObject(text)).toBeUndefined();
    expect(parseObject(undefined)).toBeUndefined();
  });

  it('keeps "__proto__" as a plain key', () => {
    const parsed = parseObject('{"__proto__":{"polluted":true}}');
    expect(Object.keys(parsed ?? {})).toEqual(['__proto__']);
    expect(parsed?.polluted).toBeUndefined();
  });
});
