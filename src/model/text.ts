/** `\ud800` to `\udfff` in a JSON text: half of a character, or both halves of one. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

/** An escape of a JSON text: half of a character, or any other, so that `\\ud800` (a backslash and letters) stays. */
const ESCAPE = /\\(?:u[dD][89a-fA-F][0-9a-fA-F]{2}|.)/gs;
const ESCAPE_LENGTH = '\\ud800'.length;

/** The text with U+FFFD for each half of a surrogate pair: no UTF-8 holds a half, and `jq` stops at one. */
export function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}

/** The first characters, at most `max` UTF-16 units. Never ends in half of a character. */
export function firstOfText(text: string, max: number): string {
  if (text.length <= max) return text;
  return text.slice(0, isInsidePair(text, max) ? max - 1 : max);
}

/** The last characters, at most `max` UTF-16 units. Never begins with half of a character. */
export function lastOfText(text: string, max: number): string {
  if (text.length <= max) return text;
  const start = text.length - max;
  return text.slice(isInsidePair(text, start) ? start + 1 : start);
}

function isInsidePair(text: string, at: number): boolean {
  return at > 0 && isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at));
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/**
 * The JSON text that `JSON.stringify` made, with U+FFFD for halves of characters. It writes whole characters as they are,
 * so every such escape in it is a half.
 */
export function wellFormedJsonText(json: string): string {
  if (!SURROGATE_ESCAPE.test(json)) return json;
  return json.replace(ESCAPE, (found) => (found.length === ESCAPE_LENGTH ? '\ufffd' : found));
}

/** `JSON.parse` with U+FFFD for halves of characters, in values and names. Throws as `JSON.parse` does. */
export function parseWellFormed(json: string): unknown {
  const value: unknown = JSON.parse(json);
  return SURROGATE_ESCAPE.test(json) || !json.isWellFormed() ? wellFormedValue(value) : value;
}

/** A JSON value with U+FFFD for halves of characters. Without recursion: the nesting of a received text has no limit. */
export function wellFormedValue(value: unknown): unknown {
  if (typeof value === 'string') return wellFormed(value);
  if (typeof value !== 'object' || value === null) return value;
  const root = emptyLike(value);
  const open: [from: object, to: object][] = [[value, root]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [from, to] = next;
    for (const [name, item] of Object.entries(from)) {
      const isContainer = typeof item === 'object' && item !== null;
      const copy: unknown = isContainer
        ? emptyLike(item)
        : typeof item === 'string'
          ? wellFormed(item)
          : item;
      setOwn(to, wellFormed(name), copy);
      if (isContainer) open.push([item, copy as object]);
    }
  }
  return root;
}

function emptyLike(value: object): object {
  return Array.isArray(value) ? [] : {};
}

/** Senders choose the names; a plain assignment to `__proto__` would set the prototype. */
function setOwn(target: object, name: string, value: unknown): void {
  if (name !== '__proto__') Reflect.set(target, name, value);
  else Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}

/** Without the character at its end, however often it stands there. A pattern such as `/x+$/` takes quadratic time. */
export function withoutEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}
