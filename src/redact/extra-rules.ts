import { base64FormsOf } from './base64.ts';
import { type LiteralSearch, literalSearch } from './literal-search.ts';
import type { Found } from './mask.ts';

/** A rule of the user's own configuration. */
export interface ExtraRule {
  readonly kind: string;
  readonly pattern: RegExp;
}

/** A shorter value may occur in ordinary text. */
const KNOWN_CHARS_MIN = 8;

/** In base64 the first and the last character of a value depend on its neighbours: the rest must still be telling. */
const BASE64_CHARS_MIN = 12;

/** Kind of the secrets of this process itself. */
const OWN_KIND = 'own-secret';

interface Known {
  /** Whether a rule matches, other than in what stands around a match. */
  mayMatch(text: string): boolean;
  readonly looksAround: boolean;
  readonly rules: readonly ExtraRule[];
}

let own: ExtraRule | undefined;
let hasOwn: LiteralSearch = () => false;
let configured: readonly ExtraRule[] = [];
let known: Known | undefined;
/** Which characters the own secrets consist of, and how many. */
let ownChars: ReadonlySet<number> = new Set();
let ownCharsMin = 0;
let ownCharsMax = 0;
let version = 0;

/** Sets values to mask in addition: this process's own passwords and tokens. Replaces those of an earlier call. */
export function setOwnSecrets(values: readonly string[]): void {
  const long = [...new Set(values)].filter((value) => value.length >= KNOWN_CHARS_MIN);
  const forms = new Set(long.flatMap(formsOf));
  hasOwn = literalSearch([...forms]);
  // The longest first: one value may begin another.
  const sources = [...forms].sort((a, b) => b.length - a.length).map(escaped);
  own = sources.length === 0 ? undefined : { kind: OWN_KIND, pattern: new RegExp(sources.join('|'), 'g') };
  ownChars = new Set(
    [...forms]
      .join('')
      .split('')
      .map((char) => char.charCodeAt(0)),
  );
  ownCharsMin = Math.min(...[...forms].map(({ length }) => length));
  ownCharsMax = Math.max(0, ...[...forms].map(({ length }) => length));
  combine();
}

/** Sets the rules of the configuration. Replaces those of an earlier call. */
export function setExtraRules(rules: readonly ExtraRule[]): void {
  configured = rules;
  combine();
}

/** Another number after each change of the rules: what a caller has kept of a masked text is of use with the same one only. */
export function rulesVersion(): number {
  return version;
}

/** Whether anything is to be masked in addition to the rules of this folder. */
export function hasExtraRules(): boolean {
  return known !== undefined;
}

/** Whether an additional rule may match in a JSON text. */
export function extraMayMatch(json: string): boolean {
  if (known === undefined) return false;
  return known.looksAround || known.mayMatch(json) || (configured.length > 0 && json.includes('\\'));
}

const NONE: readonly Found[] = [];

/** Whether an additional rule may match over the border of two texts. `whole` joins them. */
export function extraMayCross(before: string, after: string, whole: () => string): boolean {
  if (known === undefined) return false;
  if (configured.length > 0) return known.mayMatch(whole());
  let from = before.length;
  while (from > 0 && ownChars.has(before.charCodeAt(from - 1))) from -= 1;
  // What stands before is not known whole.
  if (from === 0) return known.mayMatch(whole());
  let to = 0;
  while (to < after.length && to < ownCharsMax && ownChars.has(after.charCodeAt(to))) to += 1;
  const isLong = before.length - from + to >= ownCharsMin;
  return isLong && to > 0 && known.mayMatch(before.slice(from) + after.slice(0, to));
}

export function findExtra(text: string): readonly Found[] {
  // One test for all rules: almost no text has such a secret, and each field of a record passes here.
  if (known?.mayMatch(text) !== true) return NONE;
  const found: Found[] = [];
  for (const { kind, pattern } of known.rules) {
    for (const match of text.matchAll(pattern)) {
      // An empty match would be found at each character.
      if (match[0] !== '') found.push({ start: match.index, end: match.index + match[0].length, kind });
    }
  }
  return found;
}

/** A pattern that depends on what stands before or behind its match: `^`, `$`, `\B`, `(?=`, `(?<!`. */
const AROUND = /(?<!\[)\^|\$|\\B|\(\?<?[=!]/;

function combine(): void {
  version += 1;
  const rules = own === undefined ? configured : [own, ...configured];
  // Without state, for a test.
  const hint =
    configured.length === 0
      ? undefined
      : new RegExp(configured.map(({ pattern }) => `(?:${pattern.source})`).join('|'), flagsOf(configured));
  const search = hasOwn;
  known =
    rules.length === 0
      ? undefined
      : {
          rules,
          // In JSON other characters stand around a value.
          looksAround: configured.some(({ pattern }) => AROUND.test(pattern.source)),
          mayMatch: (text) => search(text) || hint?.test(text) === true,
        };
}

/** Flags of each rule are part of its pattern; the test needs those that all of them have. */
function flagsOf(rules: readonly ExtraRule[]): string {
  return rules.some(({ pattern }) => pattern.ignoreCase) ? 'i' : '';
}

/** The value as it is, as in an address, in JSON text, and in base64 at each of three places. */
function formsOf(value: string): string[] {
  const forms = [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)];
  return value.length < BASE64_CHARS_MIN
    ? forms
    : [
        ...forms,
        ...base64FormsOf(value.replaceAll('[', '[[]')).map(({ text }) => text.replace(/\[.*\]$/, '')),
      ];
}

function escaped(value: string): string {
  return value.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
