import { parseJson } from '../model/json.ts';
import { wellFormedJsonText } from '../model/text.ts';
import { extraMayMatch, findExtra, hasExtraRules, setExtraRules, setOwnSecrets } from './extra-rules.ts';
import { findSecrets, mayHoldSecret } from './find.ts';
import type { HintPlaces } from './hint-places.ts';
import { type Found, maskAll, merged } from './mask.ts';
import { secretNamed } from './names.ts';
import { forgetNames, maskedString, maskedValue } from './structure.ts';

/** Sets values to mask in addition: this process's own passwords and tokens. Replaces those of an earlier call. */
export function maskSecrets(values: readonly string[]): void {
  setOwnSecrets(values);
  forget();
}

/** Sets the rules of the configuration, `redact.rules`. Replaces those of an earlier call. */
export function setRedactRules(rules: readonly { readonly name: string; readonly pattern: string }[]): void {
  setExtraRules(rules.map(({ name, pattern }) => ({ kind: name, pattern: new RegExp(pattern, 'g') })));
  forget();
}

/**
 * Masks everything in a plain text that looks like a secret. A secret without a known form or name is not recognised.
 * Masking a text again changes nothing.
 */
export function redact(text: string): string {
  if (text === lastPlain) return text;
  const found = secretsIn(text);
  return found.length === 0 ? text : maskAll(text, found);
}

/** The last text in which no secret was found: an output is searched as a piece first, and then with its record. */
let lastPlain: string | undefined;

/** A longer text is not kept in memory. */
const PLAIN_CHARS_MAX = 16 * 1024;

/** The secrets of a plain text: sorted, without overlaps. `hints` is set, except for a very short text. */
export function secretsIn(text: string, hints?: HintPlaces): readonly Found[] {
  const found = findSecrets(text, hints);
  const extra = extraIn(text);
  if (extra.length > 0) return merged([...extra, ...found]);
  if (found.length === 0) lastPlain = text.length <= PLAIN_CHARS_MAX ? text : undefined;
  return found;
}

/** Of the secrets those that only the additional rules find. */
export function extraIn(text: string): readonly Found[] {
  return hasExtraRules() ? findExtra(text) : NONE;
}

const NONE: readonly Found[] = [];

/**
 * Masks all strings of a JSON text, field names included, and the values of fields that are named after a secret. Strings
 * are decoded first: the first letter of a match may belong to an escape, and masking it would make the JSON invalid. Other
 * text is handled as plain text. Half a character becomes U+FFFD: what is stored passes here.
 */
export function redactJson(text: string): string {
  if (!mayHoldSecret(text) && !extraMayMatch(text)) return wellFormedJsonText(text);
  const value = parseJson(text);
  return value === undefined ? redact(text) : JSON.stringify(redactValue(value));
}

/** A JSON value without its secrets. */
export function redactValue(value: unknown): unknown {
  return maskedValue(value, redactString);
}

/** A string of a JSON value. One that is JSON itself is masked as such, so that its strings are decoded too. */
function redactString(text: string): string {
  const first = text.charCodeAt(0);
  const isJson = (first === 123 || first === 91) && text.includes('\\');
  return redact(isJson ? redactJson(text) : text);
}

/** The text of a field, an attribute or a header of this name without its secrets. */
export function redactNamedText(name: string, value: string): string {
  const known = lastNamed.get(name);
  if (known?.value === value) return known.masked;
  const kind = secretNamed(name);
  const masked = kind === undefined ? redact(value) : maskedString(value, kind, redact);
  if (value.length > NAMED_CHARS_MAX) return masked;
  if (lastNamed.size >= NAMES_MAX) lastNamed.clear();
  lastNamed.set(name, { value, masked });
  return masked;
}

/** The last value of each name: the records of a task have the same id, and mostly the same type. */
const lastNamed = new Map<string, { readonly value: string; readonly masked: string }>();
const NAMES_MAX = 256;
const NAMED_CHARS_MAX = 256;

/** What was found belongs to the rules until now. */
function forget(): void {
  lastPlain = undefined;
  lastNamed.clear();
  forgetNames();
}
