import { printableValue } from '../../model/printable.ts';

/** Enough to recognize a value by. */
const SHOWN_CHARS = 80;

/** A refused value for a message: in quotes, cut between whole characters, without passwords. */
export function shortText(value: string): string {
  return JSON.stringify([...printableValue(value)].slice(0, SHOWN_CHARS).join(''));
}
