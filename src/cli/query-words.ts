import { isTaskField } from '../search/query/query-fields.ts';

/**
 * The arguments of a command as one query; undefined for none. The shell has taken the quotes off: an argument with spaces
 * beside others was a phrase. Alone it is the whole query.
 */
export function queryOf(arguments_: readonly string[]): string | undefined {
  const words = arguments_.map((word) => word.replace(HIDDEN, '-'));
  if (words.length < 2) return words[0];
  return words.map((word) => (/\s/.test(word) && !word.includes('"') ? quoted(word) : word)).join(' ');
}

/** Stands for a dash. No argument of a program has this character. */
const HIDDEN = '\0';

/** Commands whose words are a query. They have no options of one dash but `-h` and `-V`. */
const WITH_QUERY: ReadonlySet<string> = new Set(['tasks', 'stats']);

/** Hides the dash of words such as `-status:completed`, which are a part of the query and no option. */
export function withoutOptionWords(argv: readonly string[]): readonly string[] {
  const [node = '', file = '', command = '', ...rest] = argv;
  if (!WITH_QUERY.has(command)) return argv;
  const end = rest.includes('--') ? rest.indexOf('--') : rest.length;
  const words = rest.map((word, at) =>
    at < end && /^-[^-\s]./s.test(word) ? `${HIDDEN}${word.slice(1)}` : word,
  );
  return [node, file, command, ...words];
}

/** `agent:my agent` is a field with a quoted value; `error: no space` is a phrase. */
function quoted(word: string): string {
  const sign = word.startsWith('-') ? '-' : '';
  const [, name = ''] = /^([a-z_]{1,20}):/.exec(word.slice(sign.length)) ?? [];
  const start = isTaskField(name) ? `${sign}${name}:` : sign;
  return `${start}"${word.slice(start.length)}"`;
}
