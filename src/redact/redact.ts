/**
 * Not inside a longer word: kebab-case (`disk-ant-...`) and base64 hold these letters by chance. Colours end in `m`, and
 * a string may hold JSON text of its own, where a line break is `\n`: letters that stand before a word and not in it.
 */
const WORD_START = '(?<=^|[^A-Za-z0-9]|\\\\[nrtbf]|\\[[0-9;]{0,12}m)';

/** A line break, as it is or as JSON text in the string writes it. */
const BREAK = '(?:\\s|\\\\+[nrt])';

/**
 * Secrets by their own look, vendor by vendor: each has a prefix that nothing else has, so that ordinary text is left
 * alone. One expression, because it runs over every line. No class holds `"` or `\`: the text may hold JSON. No part can
 * start at every character and run far: time stays in proportion to the text.
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
    // After a backslash the first letter may be that of a line break, and then it is not ours to take.
    '(?:(?<!\\\\)n|(?<=\\\\n))pm_[A-Za-z0-9]{36}',
    'pypi-AgE[A-Za-z0-9_-]{50,}', // every PyPI token begins with the same bytes
    'ATATT[A-Za-z0-9_=-]{50,}', // Atlassian
    // Up to its end; a key that was cut has none, and then the lines that look like one go. 16 KiB hold any key.
    '-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----' +
      `(?:(?:[A-Za-z0-9+/=:,.;()@ \\t\\r\\n]|-(?!----BEGIN)|\\\\+[nrt]){0,16384}?-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|(?:${BREAK}*[A-Za-z0-9+/=]{16,})*)`,
  ].join('|'),
  'g',
);

/**
 * JSON Web Tokens. Looked for once from the start of each run of their letters, and what stands before the token in
 * its run is kept: from each `eyJ` to the end of the run would be quadratic time.
 */
const WEB_TOKEN =
  /(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]+\.eyJ)([A-Za-z0-9_-]*?)eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/g;

/** `Authorization: Bearer ...`, `https://user:password@host`, `AWS_SECRET_ACCESS_KEY=...`: the value after a name. */
const NAMED = new RegExp(
  [
    // With a digit or a capital: "bearer responsibilities" is no token.
    '((?:[Bb]earer|BEARER)\\s+)(?=[a-z._~+/=-]*[A-Z0-9])[A-Za-z0-9._~+/=-]{16,}',
    // The password goes up to the last `@` of the host part: people do not always encode one.
    '(://[^\\s/:@"\'`<>\\\\?#]*:)[^\\s/"\'`<>\\\\?#]+(?=@)',
    // In quotes or not. A value that begins with `$` only names another; a mask may have lost its end to a cut.
    '((?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE_KEY)[A-Z0-9_]{0,40}=(?:\\\\*["\'])?)(?!\\$|\\[redact)[^\\s"\'\\\\;&]{8,}',
  ].join('|'),
  'g',
);

const MASK = '[redacted]';

/**
 * Each expression matches only where its hint does; looking for that, first letter first, is far cheaper. A hint also
 * matches JSON text whenever the expression matches a string in it: it holds no letter that our JSON would escape.
 */
const SECRET_HINT =
  /g(?:h[pousr]_|ithub_pat_|lpat-)|sk-(?:(?:ant|proj|or|svcacct)-|[A-Za-z0-9]{40})|A(?:Iza|KIA|SIA|TATT)|x(?:ox[abeoprs]-|app-)|npm_|pypi-AgE|PRIVATE KEY/;
const WEB_TOKEN_HINT = '.eyJ';
const NAME_HINT =
  /(?:earer|EARER)[\s\\]|:\/\/[^/"]*@|(?:SECRET|TOKEN|PASSW(?:OR)?D|API_?KEY|PRIVATE_KEY)[A-Z0-9_]{0,40}=/;

/** Other writers of JSON escape what needs no escape, and would hide it from the hints. */
const NEEDLESS_ESCAPE = /\\(?:u00[2-7]|\/)/;

/** A shorter secret may be a word of any text. */
const KNOWN_CHARS_MIN = 8;

/** The values that this process itself keeps secret, whatever they look like. */
let known: { readonly hint: RegExp; readonly all: RegExp } | undefined;

/** Masks these values as well from now on: this process's own passwords and tokens. */
export function maskSecrets(values: readonly string[]): void {
  const long = [...new Set(values)].filter((value) => value.length >= KNOWN_CHARS_MIN);
  const pattern = long.map((value) => value.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|');
  known = pattern === '' ? undefined : { hint: new RegExp(pattern), all: new RegExp(pattern, 'g') };
}

/**
 * The same plain text with everything that looks like a secret masked. What it cannot know: a secret without a look or
 * a name of its own.
 */
export function redact(text: string): string {
  let masked = known === undefined ? text : text.replace(known.all, MASK);
  masked = SECRET_HINT.test(masked) ? masked.replace(SECRETS, MASK) : masked;
  if (masked.includes(WEB_TOKEN_HINT)) masked = masked.replace(WEB_TOKEN, `$1${MASK}`);
  return NAME_HINT.test(masked) ? masked.replace(NAMED, maskValue) : masked;
}

/**
 * JSON text with all its strings redacted, names of fields too. They are decoded first: in JSON text the first letter
 * of what looks like a secret may belong to an escape, and masking it would leave no JSON. Other text is plain text.
 */
export function redactJson(text: string): string {
  if (!isSuspect(text)) return text;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // A SyntaxError: no JSON.
    return redact(text);
  }
  return JSON.stringify(redactStrings(value));
}

function isSuspect(json: string): boolean {
  return (
    known?.hint.test(json) === true ||
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
  // From entries: a sender may name a field `__proto__`, which an assignment would not make a field.
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [redact(name), redactStrings(item)]));
}

function maskValue(_match: string, ...groups: (string | undefined)[]): string {
  return `${groups[0] ?? groups[1] ?? groups[2] ?? ''}${MASK}`;
}
