/** A value that a filter names. */
export interface FieldValue {
  readonly text: string;
  /** `acme/*`: values that begin so. Of an empty text: any value. */
  readonly isPrefix: boolean;
}

/** `a,b` is one of two, `a*` the beginning of a value, `*` any value, `"a,b"` exactly this text. */
export function fieldValues(text: string): readonly FieldValue[] {
  if (text.length > 1 && text.startsWith('"') && text.endsWith('"'))
    return [{ text: text.slice(1, -1), isPrefix: false }];
  return text.split(',').map((value) => {
    const isPrefix = value.endsWith('*');
    return { text: isPrefix ? value.slice(0, -1) : value, isPrefix };
  });
}

/** The text of a filter that accepts exactly this value. */
export function exactly(value: string): string {
  return `"${value}"`;
}

/** Whether one of the values of a filter is this one. No filter accepts all. */
export function accepts(filter: string | undefined, value: unknown): boolean {
  if (filter === undefined) return true;
  if (typeof value !== 'string') return false;
  return fieldValues(filter).some(({ text, isPrefix }) =>
    isPrefix ? value.startsWith(text) : value === text,
  );
}
