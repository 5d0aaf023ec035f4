import { isJsonObject, type JsonObject } from '../model/json.ts';

/**
 * Collects the problem of the record being read. Readers continue with a default after a refusal. Nothing is thrown for
 * bad data, so a million invalid records cost no more than a million valid ones.
 */
export class Check {
  #problem: string | undefined;
  #warning: string | undefined;

  /** The first refusal; undefined while the record is valid. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The first warning about a valid record, for the sender. */
  get warning(): string | undefined {
    return this.#warning;
  }

  /** As `refuse`, for something that is left out or looks wrong while the record is kept. */
  warn(reason: string): void {
    this.#warning ??= reason;
  }

  /** `reason` consists of field names, never of data: reasons are counted and returned to the sender. */
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

/** In proto3 JSON `null` means the default value, like an absent field. */
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

/** A fixed64 time as canonical decimal string; some senders write a number. "0" when absent. */
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

/** `String` prints integers below 1e21 without an exponent, with the shortest digits that identify the double. */
function digitsOfNumber(value: unknown): string | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= TWO_TO_64) {
    return undefined;
  }
  return String(value);
}
