import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import type { JsonValue } from './json.ts';

/** The SHA-256 of a text as UTF-8, in 64 lower-case hex digits. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The SHA-256 of a value's canonical JSON text: the order of its keys does not matter. */
export function sha256OfJson(value: JsonValue): string {
  return sha256(canonicalJson(value));
}
