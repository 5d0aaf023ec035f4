/**
 * The arguments of a command as one query; undefined for none. The shell has taken the quotes off: an argument with spaces
 * beside others was a phrase. Alone it is the whole query.
 */
export function queryOf(words: readonly string[]): string | undefined {
  if (words.length < 2) return words[0];
  return words.map((word) => (/\s/.test(word) && !word.includes('"') ? quoted(word) : word)).join(' ');
}

/** `agent:my agent` is a field with a quoted value. */
function quoted(word: string): string {
  const name = /^-?[a-z_]{1,20}:/.exec(word)?.[0] ?? (word.startsWith('-') ? '-' : '');
  return `${name}"${word.slice(name.length)}"`;
}
