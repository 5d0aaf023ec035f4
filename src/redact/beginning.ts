import { findSecrets } from './find.ts';
import { spelledOut } from './hints.ts';
import { RULES } from './rules/all.ts';
import { isTokenCode, isWordStart } from './words.ts';

/** A token begins in its last word: the longest rules are looked for. */
const WORD_CHARS_MAX = 200;

/** A secret with its name. */
const LINE_CHARS_MAX = 400;

/** A hint with some characters of a body. Fewer say nothing. */
const BEGIN_CHARS_MIN = 7;

/** A complete line ends in a word more often than in half a token. */
const BEGIN_IN_LINE_CHARS_MIN = 12;

/** What may stand after a piece: a password. */
const PASSWORD = 'q7Zk9Xw2Rb5Ty8Np';

/** Its first characters: a hint may end in them. */
export const NEXT_CHARS: string = PASSWORD.slice(0, 3);

/** A password, and what closes it: in an address, in an element, in quotation marks. */
const CONTINUATIONS: readonly (readonly [sign: string, more: string])[] = [
  ['', PASSWORD],
  ['://', `${PASSWORD}@h `],
  ['<', `${PASSWORD}</`],
  ["'", `${PASSWORD}'`],
  ['"', `${PASSWORD}"`],
];

/** After a hint of this length any body is enough. */
const LONG_HINT_CHARS = 8;

const CAPITAL_OR_DIGIT = /[A-Z0-9]/;

interface FormHint {
  readonly text: string;
  readonly kind: string;
  readonly anywhere: boolean;
  /** Characters of the secret stand before it. */
  readonly before: boolean;
}

const HINTS: readonly FormHint[] = [
  ...RULES.filter(({ keepsHint }) => keepsHint !== true).flatMap(
    ({ hints, kind, before, anywhere = false }) =>
      hints.flatMap(spelledOut).map((text) => ({ text, kind, anywhere, before: before !== undefined })),
  ),
  { text: 'eyJ', kind: 'web-token', anywhere: false, before: false },
];

/** Those that a word without capital letters and digits can begin with: see `looksBegun`. */
const HINTS_OF_PLAIN_WORDS: readonly FormHint[] = HINTS.filter(
  ({ text }) => text.length >= LONG_HINT_CHARS && !CAPITAL_OR_DIGIT.test(text),
);

export interface Beginning {
  readonly start: number;
  readonly kind: string;
}

/** The form that may begin in the last word of a complete line: only forms that no other text looks like. */
export function beginningInLine(text: string): Beginning | undefined {
  return formInWord(
    text,
    BEGIN_IN_LINE_CHARS_MIN,
    ({ text: hint, before }) => !before && hint.length >= 4 && /[-_.]/.test(hint),
  );
}

/** The secret that may begin at the end of a text, which goes on elsewhere. */
export function beginningAtEnd(text: string): Beginning | undefined {
  return formInWord(text, BEGIN_CHARS_MIN, () => true) ?? continued(text);
}

function formInWord(
  text: string,
  charsMin: number,
  isMeant: (hint: FormHint) => boolean,
): Beginning | undefined {
  const end = text.length;
  let start = end;
  const lowest = Math.max(0, end - WORD_CHARS_MAX);
  while (start > lowest && isTokenCode(text.charCodeAt(start - 1))) start -= 1;
  let first = start;
  while (first > lowest && isFormCode(text.charCodeAt(first - 1))) first -= 1;
  if (end - first < charsMin) return undefined;
  const word = text.slice(first, end);
  // Most words are plain.
  for (const hint of CAPITAL_OR_DIGIT.test(word) ? HINTS : HINTS_OF_PLAIN_WORDS) {
    const at = isMeant(hint) ? word.indexOf(hint.text) : -1;
    if (at < 0) continue;
    const body = word.slice(at + hint.text.length);
    if (word.length - at < charsMin || !looksBegun(hint.text, body)) continue;
    if (hint.before) {
      if (first + at >= start + 3) return { start, kind: hint.kind };
    } else if (hint.anywhere || isWordStart(word, at)) return { start: first + at, kind: hint.kind };
  }
  return undefined;
}

/** Also the signs that stand inside a few forms: `!`, `$`, `|`. */
function isFormCode(code: number): boolean {
  return isTokenCode(code) || code === 33 || code === 36 || code === 124;
}

/** A body begins with a mixture of characters. After a long hint a few are enough. */
function looksBegun(hint: string, body: string): boolean {
  if (body === '' || /[./:=]{2}/.test(body)) return false;
  if (/[0-9]/.test(body) && (/[A-Za-z]/.test(body) || hint.length >= 4)) return true;
  if (hint.length >= LONG_HINT_CHARS) return /[A-Z0-9]/.test(body) || body.length >= 4;
  if (body.length >= 5 && (/^[A-Z]{4}/.test(hint) || (hint.includes('_') && /[A-Z]/.test(body)))) return true;
  return /[A-Z]/.test(body) && /[a-z]/.test(body) && body.length >= 3 && !/^(?:[A-Z]?[a-z]{2,})+$/.test(body);
}

/** A secret that stands before its end once a text goes on: the value after a name, the password of an address. */
function continued(text: string): Beginning | undefined {
  const line = text.slice(-LINE_CHARS_MAX);
  const skipped = text.length - line.length;
  for (const [sign, more] of CONTINUATIONS) {
    if (!line.includes(sign)) continue;
    for (const { start, end, kind } of findSecrets(line + more)) {
      // Also up to the `@` of an address.
      if (start < line.length && end >= line.length - 1) return { start: skipped + start, kind };
    }
  }
  return undefined;
}
