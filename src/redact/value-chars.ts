import { codesOf } from './words.ts';

/** Also what base64 decodes to. */
const LATIN_CHARS = 256;

const ENDS: Uint8Array = codesOf('[\\s"\'`;&<>|]', LATIN_CHARS);
const PLAIN: Uint8Array = codesOf('[^\\s"\'`;&<>|\\\\,(){}\\[\\]]', LATIN_CHARS);

/** Whether a value without quotation marks ends at the character: a blank, a quotation mark, a sign of a shell. */
export function endsValue(code: number): boolean {
  return code < LATIN_CHARS ? ENDS[code] === 1 : /\s/.test(String.fromCharCode(code));
}

/** Whether such a value goes on with the character in any case. */
export function isPlain(code: number): boolean {
  return PLAIN[code] === 1;
}
