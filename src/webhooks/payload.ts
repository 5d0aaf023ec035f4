import { isUtf8 } from 'node:buffer';
import { JSON_DEPTH_MAX, type JsonPrimitive, parseJson } from '../model/json.ts';
import { malformed } from './rejection.ts';

/**
 * A verified webhook body. The vendor defines its properties, and may leave out every one of them: check each value
 * before use, the type does not guarantee it.
 */
export interface WebhookPayload {
  readonly [key: string]: WebhookPayload;
}

/** The string at a path of a payload; undefined when it is missing or has another type. */
export function textAt(payload: unknown, ...path: readonly string[]): string | undefined {
  const value = valueAt(payload, path);
  return typeof value === 'string' ? value : undefined;
}

export function numberAt(payload: unknown, ...path: readonly string[]): number | undefined {
  const value = valueAt(payload, path);
  return typeof value === 'number' ? value : undefined;
}

/** A string, a number or a boolean; undefined for everything else. */
export function primitiveAt(payload: unknown, path: readonly string[]): JsonPrimitive | undefined {
  const value = valueAt(payload, path);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : undefined;
}

/** Own properties only. A number in the path is an index of a list. */
export function valueAt(payload: unknown, path: readonly string[]): unknown {
  let value = payload;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

/**
 * Strings, commas and opening brackets: two or three for each field of an object. Twice as many as in the largest push that GitHub
 * sends (2,048 commits). They are parsed in about a tenth of a second, in which nothing else is answered; a body of 25 MB
 * may have millions, which take seconds.
 */
const TOKENS_MAX = 300_000;

/**
 * The body as a JSON object; with `allowsList` also as a list. Throws `RejectedDelivery` for everything else, for deep nesting,
 * and for very many values.
 */
export function parsePayload(
  body: Buffer | string,
  { allowsList = false }: { readonly allowsList?: boolean } = {},
): WebhookPayload {
  const text = typeof body === 'string' ? body : utf8TextOf(body);
  if (text !== undefined && hasMoreTokens(text, TOKENS_MAX))
    throw malformed('too_many_values', 'the body has more than 100000 values');
  const value = text === undefined ? undefined : parseJson(text);
  // A webhook that is configured for another format, or a test.
  if (value === undefined) throw malformed('malformed_json', 'the body is not a JSON object in UTF-8');
  if (typeof value !== 'object' || value === null || (Array.isArray(value) && !allowsList)) {
    throw malformed('malformed_json', 'the body is JSON, but not an object');
  }
  if (isDeeperThan(value, JSON_DEPTH_MAX)) {
    throw malformed('nested_too_deep', `the body is nested more than ${JSON_DEPTH_MAX} levels deep`);
  }
  // `WebhookPayload` requires an object and nothing else.
  return value as WebhookPayload;
}

/** Undefined for bytes that are not UTF-8. */
export function utf8TextOf(body: Buffer): string | undefined {
  return isUtf8(body) ? new TextDecoder().decode(body) : undefined;
}

function isDeeperThan(value: object, levels: number): boolean {
  if (levels === 0) return true;
  for (const item of Object.values(value)) {
    if (typeof item === 'object' && item !== null && isDeeperThan(item, levels - 1)) return true;
  }
  return false;
}

const [QUOTE, BACKSLASH, COMMA, LIST, OBJECT] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];

/** Stops at the limit. What stands inside a string does not count. */
function hasMoreTokens(json: string, tokensMax: number): boolean {
  let count = 0;
  for (let at = 0; at < json.length && count <= tokensMax; at += 1) {
    const code = json.charCodeAt(at);
    if (code === COMMA || code === LIST || code === OBJECT) count += 1;
    else if (code === QUOTE) {
      count += 1;
      at = endOfString(json, at);
    }
  }
  return count > tokensMax;
}

/** The place of the closing quote; the length of the text when there is none. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let before = end;
    while (json.charCodeAt(before - 1) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 0) return end;
  }
  return json.length;
}
