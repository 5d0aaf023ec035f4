import { parseWellFormed, wellFormed } from './text.ts';

export type JsonPrimitive = string | number | boolean | null;
export type JsonValue = JsonPrimitive | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value if it is an object, else an empty object. */
export function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/**
 * The parsed value, or undefined for text that is not JSON. The result is unchecked: JSON `null` parses to null. Its text
 * is well-formed.
 */
export function parseJson(text: string): unknown {
  try {
    return parseWellFormed(text);
  } catch {
    // JSON.parse throws nothing but SyntaxError here.
    return undefined;
  }
}

/** The parsed object, or undefined for a missing text, text that is not JSON, and JSON of another type. */
export function parseObject(text: string | undefined): JsonObject | undefined {
  const value = text === undefined ? undefined : parseJson(text);
  return isJsonObject(value) ? value : undefined;
}

/** Nesting limit for received data. Code that writes, reads or compares JSON recurses, and deeper data could exhaust the stack. */
export const JSON_DEPTH_MAX = 64;

/** Limit for one value of a caller, who may pass a whole request with its sockets. Further values are left out. */
const JSON_VALUES_MAX = 40_000;

interface Walk {
  /** The objects on the way to the current value. A second visit is a cycle. */
  readonly path: Set<object>;
  left: number;
}

/**
 * Any value of a caller as JSON. A value that JSON does not have (a cycle, a bigint, a function, a getter that throws)
 * becomes a string that names it. Never throws, because recording must not fail on a value.
 */
export function toJsonValue(value: unknown): JsonValue {
  return walk(value, { path: new Set(), left: JSON_VALUES_MAX });
}

function walk(value: unknown, at: Walk): JsonValue {
  switch (typeof value) {
    case 'string':
      return wellFormed(value);
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return value.toString();
    case 'undefined':
      return null;
    case 'function':
    case 'symbol':
      return `[${typeof value}]`;
    case 'object':
      return value === null ? null : walkObject(value, at);
  }
}

function walkObject(value: object, at: Walk): JsonValue {
  if (at.path.has(value)) return '[circular]';
  if (at.path.size >= JSON_DEPTH_MAX) return '[too deep]';
  if (at.left <= 0) return '[too large]';
  at.path.add(value);
  try {
    return plainObject(value, at);
  } catch {
    // A toJSON or a proxy of the caller threw: only this value is lost, not the whole record.
    return '[unreadable]';
  } finally {
    at.path.delete(value);
  }
}

function plainObject(value: object, at: Walk): JsonValue {
  if (value instanceof Error) return { name: String(value.name), message: String(value.message) };
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return plainItems(value, at);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map || value instanceof Set) return plainItems([...value], at);
  if ('toJSON' in value && typeof value.toJSON === 'function') return walk(value.toJSON(), at);
  const out: Record<string, JsonValue> = {};
  for (const key of Object.keys(value)) {
    at.left -= 1;
    if (at.left <= 0) break;
    const item = readProperty(value, key);
    if (item === undefined) continue;
    // A plain assignment would set the prototype instead of a key.
    if (key === '__proto__') Object.defineProperty(out, key, { value: walk(item, at), enumerable: true });
    else out[wellFormed(key)] = walk(item, at);
  }
  return out;
}

function plainItems(items: readonly unknown[], at: Walk): JsonValue[] {
  const out: JsonValue[] = [];
  for (const item of items) {
    at.left -= 1;
    if (at.left <= 0) {
      out.push('[too large]');
      break;
    }
    out.push(walk(item, at));
  }
  return out;
}

function readProperty(value: object, key: string): unknown {
  try {
    return Reflect.get(value, key);
  } catch {
    // A getter threw: the other properties are kept.
    return '[unreadable]';
  }
}
