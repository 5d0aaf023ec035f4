/** In place of what must not be shown. */
const MASK = '...';

/** Names of secrets: a part that says so, or a short word as the whole name or its last part. */
const SECRET_PART =
  /token|secret|passw(?:or)?d|passphrase|signature|credential|(?:api|access|private|signing)[-_.]?key|authorization/i;
const SECRET_WORD = /(?:^|[-_.])(?:sig|key|code|auth|pwd|pass|pw|jwt|sas|dsn|bearer|cookie)$/i;

/** User and password of a URL, up to the last `@` before its path: an `@` in a password is not always encoded. */
const USER_INFO = /(:\/\/)[^\s/?#"'`<>\\]+@/g;

/** Longer names occur only in hostile text; the bound keeps the time linear. */
const PARAMETER = /([?&;#])([^=?&;#\s"'`<>\\]{1,80})=[^&;#\s"'`<>\\]+/g;

const FLAG = /^--?([\w.-]{1,80})$/;
const ASSIGNMENT = /^((?:--?)?([\w.-]{1,80})=).+$/s;
const HEADER_FLAG = /^(?:-H|--header)$/;
const HEADER = /^([\w-]{1,80})\s*:/;

/**
 * A text with URLs in it, for a person to read: without users, passwords and parameters that are keys. Users go as well,
 * because many vendors take a token in their place.
 */
export function printableText(text: string, mask: string = MASK): string {
  return text
    .replaceAll(USER_INFO, `$1${mask}@`)
    .replaceAll(PARAMETER, (whole, start: string, name: string) =>
      isSecretName(name) ? `${start}${name}=${mask}` : whole,
    );
}

/**
 * A value that is perhaps not valid, for a message. In a broken URL a password may hold any character: all that stands
 * before the last `@` of a word is left out.
 */
export function printableValue(value: string): string {
  return value
    .split(/(\s+)/)
    .map((word) => printableWord(beforeAtMasked(word), MASK))
    .join('');
}

/** The words of a command line, without the values of options and headers that are secrets. */
export function printableWords(words: readonly string[], mask: string = MASK): readonly string[] {
  return words.map((word, index) => {
    const before = words[index - 1] ?? '';
    const flag = FLAG.exec(before)?.[1];
    if (flag !== undefined && isSecretName(flag) && !word.startsWith('-')) return mask;
    const header = HEADER_FLAG.test(before) ? HEADER.exec(word)?.[1] : undefined;
    if (header !== undefined && isSecretName(header)) return `${header}: ${mask}`;
    return printableWord(word, mask);
  });
}

function printableWord(word: string, mask: string): string {
  const [, start = '', name = ''] = ASSIGNMENT.exec(word) ?? [];
  return isSecretName(name) ? `${start}${mask}` : printableText(word, mask);
}

function beforeAtMasked(word: string): string {
  const at = word.lastIndexOf('@');
  if (at < 0) return word;
  const scheme = word.indexOf('://');
  return `${scheme < 0 || scheme + 3 > at ? '' : word.slice(0, scheme + 3)}${MASK}${word.slice(at)}`;
}

function isSecretName(name: string): boolean {
  return SECRET_PART.test(name) || SECRET_WORD.test(name);
}
