/**
 * Characters that a reader does not see or that move others: controls, format and bidi characters, line ends, and all that
 * fonts leave out, such as variation selectors and fillers, in which text can be hidden from people and not from models.
 */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** A JSON text on one line in which all characters are visible. It has the same value. */
export function visibleJson(value: unknown): string {
  return visibleLine(JSON.stringify(value));
}

/** A text on one line, with escapes as in JSON. */
export function visibleLine(text: string): string {
  return text.replace(INVISIBLE, escapeUnits);
}

function escapeUnits(character: string): string {
  let escaped = '';
  for (let at = 0; at < character.length; at += 1)
    escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  return escaped;
}
