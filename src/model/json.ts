export type JsonPrimitive = string | number | boolean | null;
export type JsonValue = JsonPrimitive | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Deeper data is refused at every border: what writes, reads or compares it later recurses. */
export const JSON_DEPTH_MAX = 64;

/**
 * Anything a caller may hand in, as JSON that can be stored: what JSON cannot hold (a cycle, a bigint, a function, a
 * getter that throws) becomes a string that says so. Recording never throws over a value.
 */
export function toJsonValue(value: unknown, depth = 0): JsonValue {
  switch (typeof value) {
    case 'string':
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
      return value === null ? null : objectToJson(value, depth);
  }
}

function objectToJson(value: object, depth: number): JsonValue {
  if (depth >= JSON_DEPTH_MAX) return '[too deep]';
  try {
    if (value instanceof Error) return { name: value.name, message: value.message };
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (Array.isArray(value)) return value.map((item) => toJsonValue(item, depth + 1));
    if (value instanceof Map || value instanceof Set) return toJsonValue([...value], depth + 1);
    if ('toJSON' in value && typeof value.toJSON === 'function')
      return toJsonValue(value.toJSON(), depth + 1);
    const out: Record<string, JsonValue> = {};
    for (const [key, item] of Object.entries(value)) {
      if (item !== undefined) out[key] = toJsonValue(item, depth + 1);
    }
    return out;
  } catch {
    // A getter or toJSON of the caller's own threw: the fact stays, this one value does not.
    return '[unreadable]';
  }
}
