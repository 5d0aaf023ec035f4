/** Parts of the query `q`, as the server reads it: words, "phrases" and `field:value`, each with a `-` in front or not. */

export interface Part {
  readonly text: string;
  readonly field: string | undefined;
  /** Values of a field; the word or the phrase else. */
  readonly values: readonly string[];
  readonly isNegated: boolean;
}

const PART = /(-?)(?:([a-z_]+):)?("(?:[^"]*)"?|[^\s"]+)/gi;

export function partsOf(q: string): readonly Part[] {
  return [...q.matchAll(PART)].map(([text, minus = '', field, value = '']) => ({
    text,
    field: field?.toLowerCase(),
    values: value.startsWith('"') ? [value.replaceAll('"', '')] : value.split(','),
    isNegated: minus === '-',
  }));
}

/** The values that the query asks of a field. */
export function valuesOf(q: string, field: string): readonly string[] {
  return partsOf(q).flatMap((part) => (part.field === field && !part.isNegated ? part.values : []));
}

/** The query with another value of a field; without values the field goes. */
export function withValues(q: string, field: string, values: readonly string[]): string {
  const rest = partsOf(q)
    .filter((part) => part.field !== field || part.isNegated)
    .map(({ text }) => text);
  const own = values.length === 0 ? [] : [`${field}:${values.map(quoted).join(',')}`];
  return [...rest, ...own].join(' ');
}

export function toggled(q: string, field: string, value: string): string {
  const values = valuesOf(q, field);
  const isOn = values.includes(value);
  return withValues(q, field, isOn ? values.filter((one) => one !== value) : [...values, value]);
}

/** The words of a query, to show where they stand in a text. */
export function wordsOf(q: string): readonly string[] {
  return partsOf(q).flatMap(({ field, values, isNegated }) =>
    field === undefined && !isNegated ? values.map((value) => value.replace(/\*$/, '')) : [],
  );
}

function quoted(value: string): string {
  return /[\s,"]/.test(value) ? `"${value.replaceAll('"', '')}"` : value;
}
