import { cutValue } from '../model/content.ts';
import { isJsonObject, JSON_DEPTH_MAX, type JsonObject } from '../model/json.ts';
import type { OtlpAnyValue, OtlpKeyValue } from '../model/otlp.ts';
import { type Check, isAbsent, readList, readObject, readText } from './fields.ts';

/** Every number with at most this many digits fits in an int64. */
const INT64_SAFE_DIGITS = 18;
const INT64_LIMIT = 2 ** 63;
const INTEGER = /^-?[0-9]{1,20}$/;
const CANONICAL_INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const BASE64_CHARS_MAX: number = Math.ceil(1_048_576 / 3) * 4;
const NOT_FINITE = new Set(['NaN', 'Infinity', '-Infinity']);

/** A copy in canonical form without unknown fields: integers as strings, finite doubles as numbers. Long texts are cut. */
export function readKeyValues(raw: unknown, field: string, check: Check): OtlpKeyValue[] {
  const pairs = keyValuesAt(0, readList(raw, field, check), check);
  return pairs.some(isLong) ? pairs.map((pair) => cutPair(pair, check)) : pairs;
}

/** As `readKeyValues`, for a body: its texts stay as long as they are. */
export function readAnyValue(raw: unknown, check: Check): OtlpAnyValue {
  return anyValueAt(0, raw, check);
}

function keyValuesAt(depth: number, raw: readonly unknown[], check: Check): OtlpKeyValue[] {
  const pairs: OtlpKeyValue[] = [];
  for (const pair of raw) {
    if (isJsonObject(pair)) {
      const key = readText(pair.key, 'an attribute key', check);
      pairs.push({ key, value: anyValueAt(depth, pair.value, check) });
    } else check.refuse('an attribute is not an object');
  }
  return pairs;
}

function anyValueAt(depth: number, raw: unknown, check: Check): OtlpAnyValue {
  if (isAbsent(raw)) return {};
  if (!isJsonObject(raw)) {
    check.refuse('a value is not an object');
    return {};
  }
  if (!isAbsent(raw.stringValue)) return { stringValue: readText(raw.stringValue, 'a stringValue', check) };
  if (!isAbsent(raw.boolValue)) return { boolValue: readBool(raw.boolValue, check) };
  if (!isAbsent(raw.intValue)) return { intValue: readInt64(raw.intValue, check) };
  if (!isAbsent(raw.doubleValue)) return { doubleValue: readDouble(raw.doubleValue, check) };
  if (!isAbsent(raw.arrayValue) || !isAbsent(raw.kvlistValue)) return containerAt(depth, raw, check);
  if (!isAbsent(raw.bytesValue)) return { bytesValue: readBytes(raw.bytesValue, check) };
  return {};
}

function containerAt(depth: number, raw: JsonObject, check: Check): OtlpAnyValue {
  if (depth >= JSON_DEPTH_MAX) {
    check.refuse(`a value nests deeper than ${JSON_DEPTH_MAX} levels`);
    return {};
  }
  if (isAbsent(raw.arrayValue)) {
    const list = readObject(raw.kvlistValue, 'a kvlistValue', check);
    const pairs = readList(list?.values, 'the values of a kvlistValue', check);
    return { kvlistValue: { values: keyValuesAt(depth + 1, pairs, check) } };
  }
  const list = readObject(raw.arrayValue, 'an arrayValue', check);
  const items = readList(list?.values, 'the values of an arrayValue', check);
  return { arrayValue: { values: items.map((item) => anyValueAt(depth + 1, item, check)) } };
}

function isLong({ value: { stringValue: text } }: OtlpKeyValue): boolean {
  return text !== undefined && cutValue(text) !== text;
}

function cutPair(pair: OtlpKeyValue, check: Check): OtlpKeyValue {
  if (!isLong(pair)) return pair;
  check.warn('the text of an attribute is cut: it is longer than 1 MiB');
  return { key: pair.key, value: { stringValue: cutValue(pair.value.stringValue ?? '') } };
}

/** Base64 is cut between its groups of four characters, so that it stays base64. */
function readBytes(value: unknown, check: Check): string {
  const text = readText(value, 'a bytesValue', check);
  if (text.length <= BASE64_CHARS_MAX) return text;
  check.warn('a bytesValue longer than 1 MiB was cut');
  return text.slice(0, BASE64_CHARS_MAX);
}

function readBool(value: unknown, check: Check): boolean {
  if (typeof value === 'boolean') return value;
  check.refuse('a boolValue is not a boolean');
  return false;
}

function readInt64(value: unknown, check: Check): string {
  if (typeof value === 'number' && Number.isInteger(value) && value >= -INT64_LIMIT && value < INT64_LIMIT) {
    return String(value);
  }
  if (typeof value === 'string' && INTEGER.test(value)) {
    if (value.length <= INT64_SAFE_DIGITS && CANONICAL_INTEGER.test(value)) return value;
    const integer = BigInt(value);
    if (BigInt.asIntN(64, integer) === integer) return integer.toString();
  }
  check.refuse('an intValue is not a 64-bit integer');
  return '0';
}

/** Proto3 JSON has the strings "NaN", "Infinity" and "-Infinity" for the doubles that JSON numbers cannot represent. */
function readDouble(value: unknown, check: Check): number | string {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'string') {
    if (NOT_FINITE.has(value)) return value;
    const number = value.trim() === '' ? Number.NaN : Number(value);
    if (Number.isFinite(number)) return number;
  }
  check.refuse('a doubleValue is not a number');
  return 0;
}
