/** The month that a workflow is filed under: `2025`, `07`. */
export interface FiledMonth {
  readonly year: string;
  /** Two digits. */
  readonly month: string;
}

/**
 * The name of a document's object: prefix, workflow id, `.json`. In the prefix `{year}`, `{month}` (two digits) and
 * `{m}` (the month unpadded) stand for the month that the workflow is filed under, which never changes: an object keeps
 * its name whatever arrives late.
 */
export function objectKey(prefix: string, workflowId: string, { year, month }: FiledMonth): string {
  const values: Readonly<Record<string, string>> = { year, month, m: month.replace(/^0/, '') };
  return `${prefix.replaceAll(/\{(year|month|m)\}/g, (_all, name: string) => values[name] ?? '')}${workflowId}.json`;
}
