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

function valueAt(payload: unknown, path: readonly string[]): unknown {
  let value = payload;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}
