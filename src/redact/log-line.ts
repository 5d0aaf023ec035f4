import { redact } from './redact.ts';

/** C0, C1 and DEL, characters that change the direction of text, and the line ends U+2028 and U+2029. */
const UNSAFE = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/** As UNSAFE, but a message may have several lines: a stack, what to do. */
const UNSAFE_IN_LINES = /(?!\n)[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/** A message of the own log, without secrets and without characters that a terminal obeys. */
export function safeLogLine(line: string): string {
  return redact(line).replace(UNSAFE_IN_LINES, escaped);
}

/** A foreign name in a message, a counter or a label: on one line, and no longer than `charsMax`. */
export function safeName(name: string, charsMax = 200): string {
  const safe = redact(name).replace(UNSAFE, escaped);
  return safe.length > charsMax ? `${safe.slice(0, charsMax).replace(/[\uD800-\uDBFF]$/, '')}...` : safe;
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
}
