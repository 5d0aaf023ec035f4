import { base64Around, base64FormsOf, decodingAround, fixedPart, isBinary } from './base64.ts';
import type { Scheme } from './command-line.ts';
import { ENCODING_HINTS } from './encoded.ts';
import { WORDS_ENCODED_TWICE, WORDS_IN_BASE64 } from './encoded-words.ts';
import { digitsAround, hexAround, hexFormsOf } from './hexadecimal.ts';
import { BEHIND, type HintPlaces } from './hint-places.ts';
import type { Hint } from './hints.ts';
import { findKeyMembers, JWK_HINT } from './jwk.ts';
import { endOfMask, type Found, MASK_HINT } from './mask.ts';
import { NAME_HINTS } from './name-hints.ts';
import { BEFORE_KEY } from './named-value.ts';
import { findKey, KEY_HINTS } from './private-key.ts';
import { ruleAction } from './rule-action.ts';
import { RULES } from './rules/all.ts';
import { SCHEMES } from './schemes.ts';
import { type Action, DEPTH_MAX, nameAction, Search, table, withForm } from './search.ts';
import { findInserted, INSERT_HINTS } from './sql-insert.ts';
import { ENCRYPTED_TOKEN_HINTS, findEncryptedToken, findWebToken, WEB_TOKEN_HINT } from './web-token.ts';
import { BEFORE_WORD } from './words.ts';

export { formIn } from './search.ts';

const NONE: readonly Found[] = [];

/** Shorter texts hold no secret with its form or its name: most field names of a record. */
const SECRET_CHARS_MIN = 6;

/** The secrets of a text that have a form or a name: sorted, without overlaps. */
export function findSecrets(text: string, hints?: HintPlaces): readonly Found[] {
  if (text.length < SECRET_CHARS_MIN) return NONE;
  outer.reset(text, false);
  const found = outer.run();
  if (hints !== undefined) outer.tell(hints);
  return found;
}

/** Where hints stand that end behind `from`. Nothing is decided about them: much less work than a search. */
export function hintsIn(text: string, from: number, hints: HintPlaces): void {
  looker.text = text;
  looker.nameEnd = 0;
  looker.notedFrom = from;
  looker.firstHint = BEHIND;
  looker.lastHint = -1;
  table.scan(text, looker);
  looker.tell(hints);
}

/** The search of a whole text. Never two at once: searches inside it are objects of their own. */
const outer = new Search('', 0, false);
const looker = new Search('', 0, false);
looker.isLook = true;

/** Whether a JSON text may hold a secret in one of its strings or fields. Never false when it does. */
export function mayHoldSecret(json: string): boolean {
  outer.reset(json, true);
  const found = outer.run();
  return outer.mustDecode || found.length > 0;
}

function insertAction(search: Search, start: number, end: number): number {
  if (search.formsOnly || start < search.readEnds[1]) return start;
  if (search.isProbe) return search.needDecoding();
  const statement = findInserted(search.text, end);
  search.readEnds[1] = statement.end;
  search.addAll(statement.found);
  return start;
}

function jwkAction(search: Search, start: number): number {
  if (search.formsOnly || start < search.readEnds[2]) return start;
  if (search.isProbe) return search.needDecoding();
  const key = findKeyMembers(search.text, start, search.readEnds[2]);
  search.readEnds[2] = key.end;
  search.addAll(key.found);
  return start;
}

function base64Action(before: number): Action {
  return (search, start) => {
    if (search.isDeepest || search.formsOnly) return start;
    const { text, from, base64Ends } = search;
    // Hints of another alignment are read from another first character.
    const phase = (start - before) & 3;
    if (start < (base64Ends[phase] ?? 0)) return start;
    const decoding = decodingAround(text, start, { from, before });
    if (decoding === undefined) return start;
    if (search.isProbe) return search.needDecoding();
    base64Ends[phase] = decoding.end;
    const depth = isBinary(decoding.text) ? DEPTH_MAX : DEPTH_MAX - 1;
    const inner = new Search(decoding.text, depth, false).run()[0];
    if (inner === undefined) return start;
    return search.add({ ...base64Around(text, start, from), kind: inner.kind });
  };
}

function addOrNot(search: Search, found: Found | undefined, start: number): number {
  return found === undefined || found.start < search.from ? start : search.add(found);
}

function schemeAction({ find, mayStand }: Scheme): Action {
  return (search, start, end) => {
    if (search.formsOnly) return start;
    if (search.isProbe) return mayStand(search.text, end) ? search.needDecoding() : start;
    const found = find(search.text, start, end);
    const goesOn = found !== undefined && search.text[found.end] === '|';
    return addOrNot(search, goesOn ? withForm(search.text, found) : found, start);
  };
}

function keyAction(search: Search, start: number): number {
  if (search.isProbe) return search.needDecoding();
  return addOrNot(search, findKey(search.text, start), start);
}

function fillTable(): void {
  for (const rule of RULES) {
    const action = ruleAction(rule);
    const before = rule.before === undefined && rule.anywhere !== true ? BEFORE_WORD : undefined;
    for (const hint of rule.hints) table.add(hint, action, { before });
  }
  for (const hint of NAME_HINTS)
    table.add(hint, nameAction, { ignoreCase: true, before: hint === 'key' ? BEFORE_KEY : undefined });
  for (const scheme of SCHEMES) {
    const { hints, ignoreCase = false } = scheme;
    for (const hint of hints)
      if (ignoreCase) table.add(hint, schemeAction(scheme), { ignoreCase });
      else table.addRare(hint, schemeAction(scheme));
  }
  for (const hint of KEY_HINTS) table.add(hint, keyAction);
  for (const hint of INSERT_HINTS) table.add(hint, insertAction, { ignoreCase: true });
  table.add(JWK_HINT, jwkAction);
  table.add(WEB_TOKEN_HINT, (search, start) =>
    addOrNot(search, findWebToken(search.text, start, search.from), start),
  );
  // Only noted: what it begins shows later.
  table.add('eyJ', (_search, start) => start);
  for (const hint of ENCRYPTED_TOKEN_HINTS) {
    table.add(hint, (search, start) => addOrNot(search, findEncryptedToken(search.text, start), start));
  }
  table.add(MASK_HINT, (search, start) => endOfMask(search.text, start));
  for (const hint of ENCODING_HINTS) {
    table.add(hint, (search, start) => {
      if (search.isProbe) return search.needDecoding();
      search.addRegion(start);
      return start;
    });
  }
  // Any other escape of JSON text: its last digit looks like the start of a word.
  table.add('\\u[0-9a-fA-F]', (search, start) => (search.isProbe ? search.needDecoding() : start));
  for (const hint of ['[A-Za-z0-9_+/=.:~-]\\n', '[A-Za-z0-9_+/=.:~-]\\r', '[A-Za-z0-9_+/=.:~-]\\\\']) {
    table.add(hint, (search, start) => {
      const next = search.onBreak(start + 1);
      return next > start + 1 ? next : start;
    });
  }
}

function hexAction(search: Search, start: number): number {
  if (search.isDeepest || search.formsOnly) return start;
  const { text, from, hexEnds } = search;
  const parity = (start & 1) as 0 | 1;
  if (start < hexEnds[parity]) return start;
  const decoding = hexAround(text, start, from);
  if (decoding === undefined) return start;
  if (search.isProbe) return search.needDecoding();
  hexEnds[parity] = decoding.end;
  const inner = new Search(decoding.text, DEPTH_MAX - 1, false).run()[0];
  return inner === undefined ? start : search.add({ ...digitsAround(text, start, from), kind: inner.kind });
}

/** What shows in base64, also in base64 inside base64, and in hexadecimal digits, that it holds a secret. */
function addEncoded(): void {
  const forms = new Map<string, { readonly text: string; readonly before: number }>();
  const rules = RULES.flatMap(({ hints }) => hints.map(fixedPart));
  const add = (form: { readonly text: string; readonly before: number }): unknown =>
    forms.set(`${form.before}${form.text}`, form);
  for (const hint of [...rules, ...WORDS_IN_BASE64, WEB_TOKEN_HINT, ...ENCRYPTED_TOKEN_HINTS])
    for (const form of base64FormsOf(hint)) add(form);
  for (const hint of WORDS_ENCODED_TWICE)
    for (const { text: inner } of base64FormsOf(hint))
      for (const form of base64FormsOf(inner.replace(/\[.*\]$/, ''))) if (!form.text.includes('[')) add(form);
  for (const { text, before } of forms.values()) table.addRare(text, base64Action(before));
  for (const text of new Set(WORDS_ENCODED_TWICE.flatMap(hexFormsOf)))
    table.addShared(text, hexAction, { ignoreCase: true });
}

fillTable();
addEncoded();

/** What all searches begin with. */
export const HINTS: readonly Hint<unknown>[] = table.hints;
