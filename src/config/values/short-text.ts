/** Enough to recognize a value by. */
const SHOWN_CHARS = 80;

/** A refused value for a message: in quotes, cut between whole characters, without user and password of a URL. */
export function shortText(value: string): string {
  const text = value.replaceAll(/[^/\s@:]+:[^/\s@]+@/g, '...@');
  return JSON.stringify([...text].slice(0, SHOWN_CHARS).join(''));
}
