import { primitiveAt } from '../payload.ts';

/** The names of a path. Undefined for a path with an empty name. */
export function parsePath(path: unknown): readonly string[] | undefined {
  if (typeof path !== 'string') return undefined;
  const names = path.split(/(?<!\\)\./).map((name) => name.replaceAll('\\.', '.'));
  return names.includes('') ? undefined : names;
}

/** The value at a path as text; undefined when it is missing, empty, an object or a list. */
export function fieldAt(payload: unknown, path: readonly string[]): string | undefined {
  const value = primitiveAt(payload, path);
  return value === undefined || value === null || value === '' ? undefined : String(value);
}

/** The first value that is there. */
export function firstFieldAt(payload: unknown, paths: readonly (readonly string[])[]): string | undefined {
  for (const path of paths) {
    const value = fieldAt(payload, path);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The values that are there, with `separator` between them. */
export function joinedFieldsAt(
  payload: unknown,
  paths: readonly (readonly string[])[],
  separator: string,
): string | undefined {
  const values = paths.map((path) => fieldAt(payload, path)).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : values.join(separator);
}
