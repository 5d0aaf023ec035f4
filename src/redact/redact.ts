import { parseJson } from '../model/json.ts';
import { wellFormedJsonText } from '../model/text.ts';
import { extraMayMatch, findExtra, hasExtraRules, setExtraRules, setOwnSecrets } from './extra-rules.ts';
import { findSecrets, mayHoldSecret } from './find.ts';
import { type Found, maskAll, merged } from './mask.ts';
import { secretNamed } from './names.ts';
import { forgetNames, maskedString, maskedValue } from './structure.ts';

/** Sets values to mask in addition: this process's own passwords and tokens. Replaces those of an earlier call. */
export function maskSecrets(values: readonly string[]): void {
  setOwnSecrets(values);
  forgetNames();
}

/** Sets the rules of the configuration, `redact.rules`. Replaces those of an earlier call. */
export function setRedactRules(rules: readonly { readonly name: string; readonly pattern: string }[]): void {
  setExtraRules(rules.map(({ name, pattern }) => ({ kind: name, pattern: new RegExp(pattern, 'g') })));
  forgetNames();
}

/**
 * Masks everything in a plain text that looks like a secret. A secret without a known form or name is not recognised.
 * Masking a text again changes nothing.
 */
export function redact(text: string): string {
  const found = secretsIn(text);
  return found.length === 0 ? text : maskAll(text, found);
}

/** The secrets of a plain text: sorted, without overlaps. */
export function secretsIn(text: string): readonly Found[] {
  const found = findSecrets(text);
  if (!hasExtraRules()) return found;
  const extra = findExtra(text);
  return extra.length === 0 ? found : merged([...extra, ...found]);
}

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
  return maskedValue(value, redact);
}

/** The text of a field, an attribute or a header of this name without its secrets. */
export function redactNamedText(name: string, value: string): string {
  const kind = secretNamed(name);
  return kind === undefined ? redact(value) : maskedString(value, kind, redact);
}
