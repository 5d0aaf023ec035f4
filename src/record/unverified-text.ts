/** A header or a path of a request that nobody has verified is no place for a text of any length. */
const UNVERIFIED_CHARS_MAX = 128;

/** A text of a request as it may be stored: no control characters, and at most 128 characters. */
export function unverifiedText(value: string): string {
  return value
    .slice(0, 2 * UNVERIFIED_CHARS_MAX)
    .replaceAll(/\p{Cc}/gu, '')
    .slice(0, UNVERIFIED_CHARS_MAX);
}
