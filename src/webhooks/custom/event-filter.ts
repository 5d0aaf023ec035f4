import { unverifiedText } from '../../record/unverified-text.ts';
import type { FieldValues } from './sender-options.ts';

/** The value of a field of an event; undefined when the event does not have it. */
export type FieldReader = (field: string) => string | undefined;

/** Characters of a value that are compared: longer than every name and type of a vendor, and a bound on the work. */
const VALUE_CHARS_MAX = 1_000;

/** Why an event starts nothing; undefined when it passes both filters. */
export function filterReason(
  read: FieldReader,
  only: FieldValues | undefined,
  ignore: FieldValues | undefined,
): string | undefined {
  for (const [field, values] of Object.entries(only ?? {})) {
    const value = read(field);
    if (values.length === 0 || matchesAny(value, values)) continue;
    const wanted = values.map((one) => (one === '' ? 'none' : String(one))).join(', ');
    return value === undefined
      ? `there is no ${field === 'event' ? 'event type' : field}; only ${wanted} counts`
      : `${field} ${quoted(value)} starts nothing; only ${wanted} does`;
  }
  for (const [field, values] of Object.entries(ignore ?? {})) {
    const value = read(field);
    if (matchesAny(value, values)) {
      return value === undefined
        ? `an event without ${field} is ignored`
        : `${field} ${quoted(value)} is ignored`;
    }
  }
  return undefined;
}

/** Whether every field has one of its values. */
export function hasValues(read: FieldReader, fields: FieldValues): boolean {
  return Object.entries(fields).every(([field, values]) => matchesAny(read(field), values));
}

function matchesAny(value: string | undefined, patterns: readonly (string | number | boolean)[]): boolean {
  return patterns.some((pattern) => matches(value, String(pattern)));
}

/** In any case; `*` stands for any text. */
function matches(value: string | undefined, pattern: string): boolean {
  if (value === undefined || pattern === '') return value === undefined && pattern === '';
  const text = value.slice(0, VALUE_CHARS_MAX).toLowerCase();
  const [first = '', ...rest] = pattern.toLowerCase().split('*');
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let from = first.length;
  for (const piece of rest) {
    const at = text.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return text.length - last.length >= from && text.endsWith(last);
}

function quoted(value: string): string {
  return JSON.stringify(unverifiedText(value));
}
