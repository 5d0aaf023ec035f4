import { firstOfText, wellFormed } from '../model/text.ts';

/** Limit for a header or a path of an unverified request. */
const UNVERIFIED_CHARS_MAX = 128;

/** The text without control characters, cut to 128 characters, so that it may be stored. */
export function unverifiedText(value: string): string {
  const shown = firstOfText(value, 2 * UNVERIFIED_CHARS_MAX).replaceAll(/\p{Cc}/gu, '');
  return firstOfText(wellFormed(shown), UNVERIFIED_CHARS_MAX);
}
