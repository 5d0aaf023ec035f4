import { primitiveAt } from '../payload.ts';
import { parsePath } from './payload-path.ts';

/** A vendor's challenge is a few dozen characters. */
const VALUE_CHARS_MAX = 4_096;

/** Reads the value of a placeholder. Throws when it is missing. */
export type PlaceholderReader = (name: string) => unknown;

/** The answer with its placeholders replaced. A text that is one placeholder keeps the type of its value. */
export function fillAnswer(
  answer: Readonly<Record<string, unknown>>,
  read: PlaceholderReader,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(answer).map(([key, value]) => [key, fill(value, read)]));
}

function fill(value: unknown, read: PlaceholderReader): unknown {
  if (typeof value === 'string') return fillText(value, read);
  if (Array.isArray(value)) return value.map((item) => fill(item, read));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, read)]));
}

function fillText(text: string, read: PlaceholderReader): unknown {
  const whole = /^\{([^{}]+)\}$/.exec(text)?.[1];
  if (whole !== undefined) return read(whole);
  return text.replaceAll(/\{([^{}]+)\}/g, (_, name: string) => String(read(name)));
}

/** The value at a path of a body; undefined when it is missing or too long. */
export function challengeAt(payload: unknown, name: string): string | number | boolean | undefined {
  const path = parsePath(name);
  const value = path === undefined ? undefined : primitiveAt(payload, path);
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' && value.length > VALUE_CHARS_MAX ? undefined : value;
}
