import { parseJson } from '../model/json.ts';
import { wellFormedJsonText } from '../model/text.ts';

/**
 * Start of a token: not inside a longer word, because kebab-case (`disk-ant-...`) and base64 contain these letters by
 * chance. A terminal colour code ends in `m`, and a line break inside JSON text is `\n`: those letters come before a
 * token and are not part of a word.
 */
const WORD_START = '(?<=^|[^A-Za-z0-9]|\\\\[nrtbf]|\\[[0-9;]{0,12}m)';

/** A line break, literal or as an escape in JSON text. */
const BREAK = '(?:\\s|\\\\+[nrt])';

/**
 * Secrets recognised by their vendor prefix, which ordinary text does not contain. A single expression, because it
 * runs over every line. No class contains `"` or `\`, since the text may hold JSON. No part may start at every
 * character and run far, so that the time stays linear in the length of the text.
 */
const SECRETS = new RegExp(
  [
    'gh[pousr]_[A-Za-z0-9]{36,255}', // GitHub tokens
    'github_pat_[A-Za-z0-9_]{60,255}',
    'glpat-[A-Za-z0-9_-]{20,}', // GitLab
    `${WORD_START}sk-(?:ant|proj|or|svcacct)-[A-Za-z0-9_-]{20,}`, // Anthropic, OpenAI, OpenRouter
    `${WORD_START}sk-[A-Za-z0-9]{40,}`,
    `${WORD_START}AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])`, // Google
    `${WORD_START}(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])`, // AWS key ids
    'xox[abeoprs]-[A-Za-z0-9-]{10,}', // Slack
    'xapp-[0-9]-[A-Za-z0-9-]{20,}',
    // After a backslash, the `n` may belong to an escaped line break and must stay.
    '(?:(?<!\\\\)n|(?<=\\\\n))pm_[A-Za-z0-9]{36}',
    'pypi-AgE[A-Za-z0-9_-]{50,}', // every PyPI token begins with the same bytes
    'ATATT[A-Za-z0-9_=-]{50,}', // Atlassian
    // Up to the end marker. A truncated key has none: then the lines that look like one are masked. 16 KiB hold any
    // key.
    '-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----' +
      `(?:(?:[A-Za-z0-9+/=:,.;()@ \\t\\r\\n]|-(?!----BEGIN)|\\\\+[nrt]){0,16384}?-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|(?:${BREAK}*[A-Za-z0-9+/=]{16,})*)`,
  ].join('|'),
  'g',
);

/**
 * JSON Web Tokens. The expression starts once for each run of their characters and keeps the text before the token:
 * starting at each `eyJ` would take quadratic time.
 */
const WEB_TOKEN =
  /(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]+\.eyJ)([A-Za-z0-9_-]*?)eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/g;

/** Values after a name: `Authorization: Bearer ...`, `https://user:password@host`, `AWS_SECRET_ACCESS_KEY=...`. */
const NAMED = new RegExp(
  [
    // Requires a digit or a capital letter: "bearer responsibilities" is not a token.
    '((?:[Bb]earer|BEARER)\\s+)(?=[a-z._~+/=-]*[A-Z0-9])[A-Za-z0-9._~+/=-]{16,}',
    // The password ends at the last `@` of the authority: an `@` in it is not always encoded.
    '(://[^\\s/:@"\'`<>\\\\?#]*:)[^\\s/"\'`<>\\\\?#]+(?=@)',
    // Quoted or not. A value that starts with `$` names another variable. A mask may have lost its closing bracket to
    // truncation.
    '((?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE_KEY)[A-Z0-9_]{0,40}=(?:\\\\*["\'])?)(?!\\$|\\[redact)[^\\s"\'\\\\;&]{8,}',
  ].join('|'),
  'g',
);

const MASK = '[redacted]';

/**
 * Cheap pre-checks: each expression matches only text that its hint matches. A hint also matches JSON text whose
 * decoded strings the expression matches, because it contains no character that JSON.stringify escapes.
 */
const SECRET_HINT =
  /g(?:h[pousr]_|ithub_pat_|lpat-)|sk-(?:(?:ant|proj|or|svcacct)-|[A-Za-z0-9]{40})|A(?:Iza|KIA|SIA|TATT)|x(?:ox[abeoprs]-|app-)|npm_|pypi-AgE|PRIVATE KEY/;
const WEB_TOKEN_HINT = '.eyJ';
const NAME_HINT =
  /(?:earer|EARER)[\s\\]|:\/\/[^/"]*@|(?:SECRET|TOKEN|PASSW(?:OR)?D|API_?KEY|PRIVATE_KEY)[A-Z0-9_]{0,40}=/;

/** Other JSON writers escape characters without need, which would hide them from the hints. */
const NEEDLESS_ESCAPE = /\\(?:u00[2-7]|\/)/;

/** A shorter value may occur in ordinary text. */
const KNOWN_CHARS_MIN = 8;

/** This process's own secrets, which need not match a pattern. */
let ownSecrets: { readonly hint: RegExp; readonly all: RegExp } | undefined;

/** Sets values to mask in addition: this process's own passwords and tokens. Replaces those of an earlier call. */
export function maskSecrets(values: readonly string[]): void {
  const long = [...new Set(values)].filter((value) => value.length >= KNOWN_CHARS_MIN);
  const pattern = long.map((value) => value.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|');
  ownSecrets = pattern === '' ? undefined : { hint: new RegExp(pattern), all: new RegExp(pattern, 'g') };
}

/**
 * Masks everything in a plain text that looks like a secret. A secret without a known prefix or name is not
 * recognised.
 */
export function redact(text: string): string {
  let masked = ownSecrets === undefined ? text : text.replace(ownSecrets.all, MASK);
  masked = SECRET_HINT.test(masked) ? masked.replace(SECRETS, MASK) : masked;
  if (masked.includes(WEB_TOKEN_HINT)) masked = masked.replace(WEB_TOKEN, `$1${MASK}`);
  return NAME_HINT.test(masked) ? masked.replace(NAMED, maskValue) : masked;
}

/**
 * Masks all strings of a JSON text, field names included. Strings are decoded first: the first letter of a match may
 * belong to an escape, and masking it would make the JSON invalid. Other text is handled as plain text. Half a character
 * becomes U+FFFD: what is stored passes here.
 */
export function redactJson(text: string): string {
  if (!mayHoldSecret(text)) return wellFormedJsonText(text);
  const value = parseJson(text);
  return value === undefined ? redact(text) : JSON.stringify(redactStrings(value));
}

function mayHoldSecret(json: string): boolean {
  return (
    ownSecrets?.hint.test(json) === true ||
    SECRET_HINT.test(json) ||
    json.includes(WEB_TOKEN_HINT) ||
    NAME_HINT.test(json) ||
    NEEDLESS_ESCAPE.test(json)
  );
}

function redactStrings(value: unknown): unknown {
  if (typeof value === 'string') return redact(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(redactStrings);
  // `fromEntries` keeps a field named `__proto__`, which an assignment would lose.
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [redact(name), redactStrings(item)]));
}

function maskValue(_match: string, ...groups: (string | undefined)[]): string {
  return `${groups[0] ?? groups[1] ?? groups[2] ?? ''}${MASK}`;
}
