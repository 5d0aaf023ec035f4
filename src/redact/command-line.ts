import { COMMAND_RULES, type CommandRule, READERS } from './command-rules.ts';
import { type Found, isMask } from './mask.ts';
import { isMixture, isSecretValue, isStrong, looksRandom } from './secret-value.ts';
import { endOfQuoted, isClosed, quoteAt, skipBlanks } from './value-end.ts';

/** Secrets that a sign of another kind than a name stands before: a scheme, an address, an option of a command. */
export interface Scheme {
  readonly hints: readonly string[];
  readonly ignoreCase?: boolean;
  find(text: string, start: number, end: number): Found | undefined;
  /** Whether a string of a JSON text may hold such a secret, judged by what follows the hint. */
  mayStand(text: string, end: number): boolean;
}

const LINE_CHARS_MAX = 300;
const VALUE_CHARS_MAX = 512;

/** A password of fewer characters says little, and may be any word. */
const VALUE_CHARS_MIN = 4;

/** Signs of a shell and quotation marks end a word that has none around it. */
const SHELL_WORD = /(?:[^\s"'`\\;|&)]|\\(?![nrt"'`\\])){0,512}/y;

interface Word {
  readonly start: number;
  readonly end: number;
  readonly isQuoted: boolean;
}

function findBy(
  rule: CommandRule,
  text: string,
  { start, end }: { start: number; end: number },
): Found | undefined {
  const at = behind(rule.skip, text, end);
  const word = at === undefined ? undefined : wordAt(text, at, rule);
  if (word === undefined || (rule.isQuoted === true && !word.isQuoted)) return undefined;
  if (rule.behind !== undefined && behind(rule.behind, text, word.end) === undefined) return undefined;
  if (rule.commands !== undefined && !rule.commands.test(lineBefore(text, start))) return undefined;
  const value = text.slice(word.start, word.end);
  return isGiven(value, rule.isMixed === true)
    ? { start: word.start, end: wholeEnd(text, word), kind: 'password' }
    : undefined;
}

function wordAt(text: string, at: number, { within, until }: CommandRule): Word | undefined {
  const from = skipBlanks(text, at);
  const quote = quoteAt(text, from);
  const begin = behind(within, text, from + quote.length);
  if (begin === undefined) return undefined;
  const inner = quote === '' ? quoteAt(text, begin) : '';
  const start = begin + inner.length;
  const mark = quote === '' ? inner : quote;
  const quoted = mark === '' ? start : endOfQuoted(text, start, { quote: mark, max: VALUE_CHARS_MAX });
  // A word without marks, or a quotation that was cut.
  const isWord = mark === '' || (!isClosed(text, quoted, mark) && /\s/.test(text.slice(start, quoted)));
  const last = isWord ? endOfShellWord(text, start) : quoted;
  const stop = until === undefined ? -1 : text.slice(start, last).lastIndexOf(until);
  return { start, end: stop < 0 ? last : start + stop, isQuoted: mark !== '' };
}

/** Reads 512 characters at most: the time stays linear, whatever word stands behind many hints. */
function endOfShellWord(text: string, start: number): number {
  SHELL_WORD.lastIndex = start;
  SHELL_WORD.test(text);
  return SHELL_WORD.lastIndex;
}

/** The end of a word that is masked: of a longer one too. */
function wholeEnd(text: string, { start, end, isQuoted }: Word): number {
  let last = end;
  while (!isQuoted && last - start >= VALUE_CHARS_MAX) {
    const next = endOfShellWord(text, last);
    if (next === last) break;
    last = next;
  }
  return last;
}

/** Where the pattern ends that stands at `at`; `at` without a pattern. */
function behind(pattern: RegExp | undefined, text: string, at: number): number | undefined {
  if (pattern === undefined) return at;
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

/** The line up to `start`. The letter of an escaped line break is no part of a command. */
function lineBefore(text: string, start: number): string {
  const before = text.slice(Math.max(0, start - LINE_CHARS_MAX), start).replaceAll(/\\[nrt]/g, '\n');
  return before.slice(before.lastIndexOf('\n') + 1);
}

/** What follows in source code, an option, a word of a manual. */
const NO_VALUE =
  /^[-<\])},:;=+ ]|[:{[( ]$|[\n]|^\/(?:[\\[(^]|\w+\/)|^(?:pass|password|passwd|pwd|secret|token|\.{3})$/i;

/** A value that is written there itself, and no variable, option or file. */
function isGiven(value: string, isMixedPlace: boolean): boolean {
  if (value.length < VALUE_CHARS_MIN || NO_VALUE.test(value) || !isWritten(value)) return false;
  if (!isMixedPlace) return isSecretValue(value, 'field');
  if (/^[./~]|^\d+(?::\d+)?$/.test(value)) return false;
  return isSecretValue(value, 'text') && (isStrong(value) || isMixture(value) || looksRandom(value));
}

/** No variable, no `user:password:@host` of a manual, and no example in brackets. */
export function isWritten(value: string): boolean {
  return !isMask(value) && !/^(?:\$[A-Za-z_{(]|\{|%[sdqv]|\*+$|x+$|\.+$|password:$)/.test(value.slice(0, 10));
}

/** `echo X | docker login --password-stdin`, `printf '%s' X | gh auth login --with-token`. */
const PIPED =
  /(?:-[neE]{1,3} |\\{0,7}["']?%s(?:\\+n)?\\{0,7}["']? ){0,3}\\{0,15}["']?((?:[\w.@-]{1,40}:)?)([^\s"'`|\\$<>;]{4,200})(?=(?:\\+n)?\\{0,15}["']? {0,4}\|(?!\|))/y;

function piped(text: string, end: number): Found | undefined {
  PIPED.lastIndex = end;
  const found = PIPED.exec(text);
  const value = found?.[2];
  if (value === undefined) return undefined;
  const reader = lineFrom(text, PIPED.lastIndex);
  if (!READERS.test(reader) || !isGiven(value, !/\d|[^\w-]/.test(value))) return undefined;
  return { start: PIPED.lastIndex - value.length, end: PIPED.lastIndex, kind: 'password' };
}

/** `gh auth login --with-token <<< X`. */
function hereText(text: string, start: number, end: number): Found | undefined {
  // In a run of the sign each place would be looked at.
  if (text[start - 1] === '<' || text[end] === '<') return undefined;
  const word = wordAt(text, end, { hints: [], within: /(?:[\w.@-]{1,40}(?::|\\+n))?/y });
  if (word === undefined || !READERS.test(lineBefore(text, start))) return undefined;
  const value = text.slice(word.start, word.end);
  return isGiven(value, false)
    ? { start: word.start, end: wholeEnd(text, word), kind: 'password' }
    : undefined;
}

function lineFrom(text: string, at: number): string {
  const line = text.slice(at, at + LINE_CHARS_MAX);
  const end = line.search(/\n|\\n/);
  return end < 0 ? line : line.slice(0, end);
}

/** Rows with the same hint are tried one after the other. */
function byHint(rules: readonly CommandRule[]): Map<string, CommandRule[]> {
  const groups = new Map<string, CommandRule[]>();
  for (const rule of rules)
    for (const hint of rule.hints) groups.set(hint, [...(groups.get(hint) ?? []), rule]);
  return groups;
}

export const COMMAND_SCHEMES: readonly Scheme[] = [
  ...[...byHint(COMMAND_RULES)].map(
    ([hint, rules]): Scheme => ({
      hints: [hint],
      find: (text, start, end) => {
        for (const rule of rules) {
          const found = findBy(rule, text, { start, end });
          if (found !== undefined) return found;
        }
        return undefined;
      },
      mayStand: () => true,
    }),
  ),
  {
    hints: ['echo ', 'printf '],
    find: (text, _start, end) => piped(text, end),
    mayStand: (text, end) => text.slice(end, end + LINE_CHARS_MAX).includes('|'),
  },
  { hints: ['<<<'], find: hereText, mayStand: () => true },
];
