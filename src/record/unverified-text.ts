/** Limit for a header or a path of an unverified request. */
const UNVERIFIED_CHARS_MAX = 128;

/** The text without control characters, cut to 128 characters, so that it may be stored. */
export function unverifiedText(value: string): string {
  return value
    .slice(0, 2 * UNVERIFIED_CHARS_MAX)
    .replaceAll(/\p{Cc}/gu, '')
    .slice(0, UNVERIFIED_CHARS_MAX);
}
