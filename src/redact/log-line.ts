import { UNSAFE, UNSAFE_IN_TEXT } from '../model/unsafe-characters.ts';
import { redact } from './redact.ts';

/** A message of the own log, which may have several lines: without secrets and characters that a terminal obeys. */
export function safeLogLine(line: string): string {
  return redact(line).replace(UNSAFE_IN_TEXT, escaped);
}

/** A foreign name in a message, a counter or a label: on one line, and no longer than `charsMax`. */
export function safeName(name: string, charsMax = 200): string {
  const safe = redact(name).replace(UNSAFE, escaped);
  return safe.length > charsMax ? `${safe.slice(0, charsMax).replace(/[\uD800-\uDBFF]$/, '')}...` : safe;
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
}
