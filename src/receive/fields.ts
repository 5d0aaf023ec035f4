import { isJsonObject, type JsonObject } from '../model/json.ts';

/**
 * What is wrong with the record being read. Readers go on with a default after a refusal: nothing is thrown for
 * data, so a request of a million bad records costs no more than one of a million good ones.
 */
export class Check {
  #problem: string | undefined;

  /** The first refusal; undefined while the record is good. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** `reason` is made of field names, never of data: reasons are counted and sent back. */
  refuse(reason: string): void {
    this.#problem ??= reason;
  }
}

const NO_ITEMS: readonly unknown[] = [];
const UINT64_MAX = '18446744073709551615';
const UINT64_DIGITS = UINT64_MAX.length;
const TWO_TO_64 = 2 ** 64;
const INT32_MIN = -(2 ** 31);
const UINT32_MAX = 2 ** 32 - 1;
const DIGITS = /^[0-9]+$/;
const LEADING_ZEROS = /^0+(?=[0-9])/;

/** Proto3 JSON: null stands for the default, like an absent field. */
export function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

export function readText(value: unknown, field: string, check: Check): string {
  if (typeof value === 'string') return value;
  if (!isAbsent(value)) check.refuse(`${field} is not a string`);
  return '';
}

export function readList(value: unknown, field: string, check: Check): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (!isAbsent(value)) check.refuse(`${field} is not an array`);
  return NO_ITEMS;
}

export function readObject(value: unknown, field: string, check: Check): JsonObject | undefined {
  if (isJsonObject(value)) return value;
  if (!isAbsent(value)) check.refuse(`${field} is not an object`);
  return undefined;
}

/** An enum, a 32-bit count or flags: a number in JSON. */
export function readInteger(value: unknown, field: string, check: Check): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= INT32_MIN && value <= UINT32_MAX) {
    return value;
  }
  if (!isAbsent(value)) check.refuse(`${field} is not a 32-bit integer`);
  return 0;
}

/** A fixed64 time: a decimal string, or the number that some senders write; canonical, "0" when absent. */
export function readNanos(value: unknown, field: string, check: Check): string {
  if (isAbsent(value)) return '0';
  const nanos = typeof value === 'string' ? canonicalDigits(value) : digitsOfNumber(value);
  if (nanos !== undefined) return nanos;
  check.refuse(`${field} is not a number of nanoseconds`);
  return '0';
}

function canonicalDigits(text: string): string | undefined {
  if (!DIGITS.test(text)) return undefined;
  const digits = text.charCodeAt(0) === 48 ? text.replace(LEADING_ZEROS, '') : text;
  if (digits.length > UINT64_DIGITS) return undefined;
  return digits.length === UINT64_DIGITS && digits > UINT64_MAX ? undefined : digits;
}

/** `String` prints whole numbers below 1e21 in full, and closer to what was sent than the double's exact value. */
function digitsOfNumber(value: unknown): string | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= TWO_TO_64) {
    return undefined;
  }
  return String(value);
}
