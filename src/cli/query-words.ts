import { isTaskField } from '../search/query/query-fields.ts';

/**
 * The arguments of a command as one query; undefined for none. The shell has taken the quotes off: an argument with spaces
 * beside others was a phrase. Alone it is the whole query.
 */
export function queryOf(words: readonly string[]): string | undefined {
  if (words.length < 2) return words[0];
  return words.map((word) => (/\s/.test(word) && !word.includes('"') ? quoted(word) : word)).join(' ');
}

/** `agent:my agent` is a field with a quoted value; `error: no space` is a phrase. */
function quoted(word: string): string {
  const sign = word.startsWith('-') ? '-' : '';
  const [, name = ''] = /^([a-z_]{1,20}):/.exec(word.slice(sign.length)) ?? [];
  const start = isTaskField(name) ? `${sign}${name}:` : sign;
  return `${start}"${word.slice(start.length)}"`;
}
