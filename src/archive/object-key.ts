/** The month of a workflow's folder: `2025`, `07`. */
export interface FiledMonth {
  readonly year: string;
  /** Two digits. */
  readonly month: string;
}

/**
 * Name of a document's object: prefix, workflow id, `.json`. In the prefix, `{year}`, `{month}` (two digits) and
 * `{m}` (without padding) stand for the month of the workflow's folder. That never changes, so late events do not
 * change the name.
 */
export function objectKey(prefix: string, workflowId: string, { year, month }: FiledMonth): string {
  const values: Readonly<Record<string, string>> = { year, month, m: month.replace(/^0/, '') };
  return `${prefix.replaceAll(/\{(year|month|m)\}/g, (_all, name: string) => values[name] ?? '')}${workflowId}.json`;
}
