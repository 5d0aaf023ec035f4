import { isJsonObject, type JsonValue } from './json.ts';

/**
 * One text for equal JSON values: keys sorted by UTF-16 code units at every depth, no white space, numbers and strings as
 * `JSON.stringify` writes them (RFC 8785). Use it wherever JSON is compared, is part of a key or is hashed; two producers
 * may list the same keys in another order.
 * A number that JSON does not have becomes its name in quotes, as OTLP stores it; -0 becomes 0.
 * `omit` names a key that is left out at every depth.
 */
export function canonicalJson(value: JsonValue | undefined, omit?: string): string {
  if (isJsonArray(value)) return `[${value.map((item) => canonicalJson(item, omit)).join(',')}]`;
  if (isJsonObject(value)) {
    const members = Object.keys(value)
      .filter((name) => value[name] !== undefined && name !== omit)
      .sort()
      .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name], omit)}`);
    return `{${members.join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`;
  return JSON.stringify(value ?? null);
}

function isJsonArray(value: unknown): value is readonly JsonValue[] {
  return Array.isArray(value);
}
