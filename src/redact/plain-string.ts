import { secretNamed } from './names.ts';

/** A longer string is looked at with the others. */
const CHARS_MAX = 256;

/** A program repeats its own sentences; the bound protects against one that makes them up. */
const STRINGS_MAX = 256;

/** Strings that have a name of a secret, and whether they are neither that name nor hold a secret: `no GITHUB_TOKEN is set`. */
const known = new Map<string, boolean>();

const BEFORE_VALUE: ReadonlySet<string | undefined> = new Set([':', ',', '[']);
const BEHIND_VALUE: ReadonlySet<string | undefined> = new Set([',', '}', ']']);

/**
 * Where the string ends in which `at` is, in a text that `JSON.stringify` made: if it is a value without escapes that means
 * nothing for the values beside it, and nothing is masked in it. Undefined for any other.
 */
export function endOfPlainString(
  json: string,
  at: number,
  holdsNone: (text: string) => boolean,
): number | undefined {
  const start = json.lastIndexOf('"', at) + 1;
  // The end within the bound: a search of the whole text for each name would take quadratic time.
  const end = start + json.slice(start, start + CHARS_MAX + 1).indexOf('"');
  if (end < at || !BEFORE_VALUE.has(json[start - 2]) || !BEHIND_VALUE.has(json[end + 1])) return undefined;
  const value = json.slice(start, end);
  let isPlain = known.get(value);
  if (isPlain === undefined) {
    isPlain = !value.includes('\\') && !isName(value) && holdsNone(value);
    if (known.size >= STRINGS_MAX) known.clear();
    known.set(value, isPlain);
  }
  return isPlain ? end : undefined;
}

/** It may name the string beside it. */
function isName(value: string): boolean {
  return secretNamed(value) !== undefined || secretNamed(value.replace(/^--?/, '')) !== undefined;
}
