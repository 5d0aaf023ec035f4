import { JSON_DEPTH_MAX, type JsonPrimitive } from '../model/json.ts';
import { malformed } from './rejection.ts';

/**
 * A verified webhook body. Vendors' payloads are open-ended: every property may be absent at run time, whatever the type
 * says, so read what you need with care.
 */
export interface WebhookPayload {
  readonly [key: string]: WebhookPayload;
}

/** The text at a path of a payload; undefined when it is absent or something else. */
export function textAt(payload: unknown, ...path: readonly string[]): string | undefined {
  const value = valueAt(payload, path);
  return typeof value === 'string' ? value : undefined;
}

export function numberAt(payload: unknown, ...path: readonly string[]): number | undefined {
  const value = valueAt(payload, path);
  return typeof value === 'number' ? value : undefined;
}

/** A text, a number or a truth value; undefined for everything else. */
export function primitiveAt(payload: unknown, path: readonly string[]): JsonPrimitive | undefined {
  const value = valueAt(payload, path);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : undefined;
}

/** Own properties only; a number in the path is the place in a list. */
export function valueAt(payload: unknown, path: readonly string[]): unknown {
  let value = payload;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

/** The body as a JSON object. Throws `RejectedDelivery` for everything else, and for what is nested without end. */
export function parseJson(body: Buffer | string): WebhookPayload {
  let value: unknown;
  try {
    value = JSON.parse(typeof body === 'string' ? body : decode(body));
  } catch {
    // Signed and not JSON in UTF-8: a webhook that is set to another format, or a test.
    throw malformed('malformed_json', 'the body is not a JSON object in UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('malformed_json', 'the body is JSON and no object');
  }
  if (isDeeperThan(value, JSON_DEPTH_MAX)) {
    throw malformed('nested_too_deep', `the body is nested more than ${JSON_DEPTH_MAX} levels deep`);
  }
  // The type says no more than that it is an object.
  return value as WebhookPayload;
}

/** A form's fields. Throws `RejectedDelivery` when it is not UTF-8. */
export function parseForm(body: Buffer): URLSearchParams {
  try {
    return new URLSearchParams(decode(body));
  } catch {
    // The decoder's TypeError.
    throw malformed('malformed_form', 'the body is not a form in UTF-8');
  }
}

export function isForm(contentType: string | undefined): boolean {
  return contentType?.toLowerCase().startsWith('application/x-www-form-urlencoded') ?? false;
}

function decode(body: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(body);
}

function isDeeperThan(value: object, levels: number): boolean {
  if (levels === 0) return true;
  for (const item of Object.values(value)) {
    if (typeof item === 'object' && item !== null && isDeeperThan(item, levels - 1)) return true;
  }
  return false;
}
