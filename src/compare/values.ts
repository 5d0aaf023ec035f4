import { sha256 } from '../model/sha256.ts';
import { firstOfText } from '../model/text.ts';

const NAME_MAX = 200;

export function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** A name of bounded length, null for none. A long one is cut and has a hash, so that two of them stay different. */
export function nameOf(value: unknown, max: number = NAME_MAX): string | null {
  const text = textOrNull(value);
  if (text === null || text.length <= max) return text;
  return `${firstOfText(text, max)}... (${text.length} characters, ${sha256(text).slice(0, 8)})`;
}

export function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
