/**
 * Not inside a longer word: kebab-case (`disk-ant-...`) and base64 hold these letters by chance. In JSON text a line
 * break is `\n`, and colours end in `m`: both are letters that stand before a word and not in it.
 */
const WORD_START = '(?<=^|[^A-Za-z0-9]|\\\\[nrtbf]|\\[[0-9;]{0,12}m)';

/** A line break, as it is or as JSON writes it, also when that JSON stands in a string of other JSON. */
const BREAK = '(?:\\s|\\\\+[nrt])';

/**
 * Secrets by their own look, vendor by vendor: each has a prefix that nothing else has, so that ordinary text is left
 * alone. One expression, because it runs over every line. No class holds `"` or `\`: the text may be JSON. No part can
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
    'npm_[A-Za-z0-9]{36}',
    'pypi-AgE[A-Za-z0-9_-]{50,}', // every PyPI token begins with the same bytes
    'ATATT[A-Za-z0-9_=-]{50,}', // Atlassian
    `${WORD_START}eyJ[A-Za-z0-9_-]{10,}\\.eyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]{10,}`, // JSON Web Tokens
    // Up to its end; a key that was cut has none, and then the lines that look like one go. 16 KiB hold any key.
    '-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----' +
      `(?:(?:[A-Za-z0-9+/=:,.;()@ \\t\\r\\n]|-(?!----BEGIN)|\\\\+[nrt]){0,16384}?-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|(?:${BREAK}*[A-Za-z0-9+/=]{16,})*)`,
  ].join('|'),
  'g',
);

/** `Authorization: Bearer ...`, `https://user:password@host`, `AWS_SECRET_ACCESS_KEY=...`: the value after a name. */
const NAMED = new RegExp(
  [
    // With a digit or a capital: "bearer responsibilities" is no token.
    '((?:[Bb]earer|BEARER)\\s+)(?=[a-z._~+/=-]*[A-Z0-9])[A-Za-z0-9._~+/=-]{16,}',
    // The password goes up to the last `@` of the host part: people do not always encode one.
    '(://[^\\s/:@"\'`<>\\\\?#]*:)[^\\s/"\'`<>\\\\?#]+(?=@)',
    // In quotes or not, in JSON or not. A value that begins with `$` only names another.
    '((?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE_KEY)[A-Z0-9_]{0,40}=(?:\\\\*["\'])?)(?!\\$)[^\\s"\'\\\\;&]{8,}',
  ].join('|'),
  'g',
);

const MASK = '[redacted]';

/** Each expression matches only where one of these stands; looking for them, first letter first, is far cheaper. */
const SECRET_HINT =
  /g(?:h[pousr]_|ithub_pat_|lpat-)|sk-(?:(?:ant|proj|or|svcacct)-|[A-Za-z0-9]{40})|A(?:Iza|KIA|SIA|TATT)|x(?:ox[abeoprs]-|app-)|npm_|pypi-AgE|eyJ|PRIVATE KEY/;
const NAME_HINT = /earer|EARER|:\/\/|SECRET|TOKEN|PASSW|API_?KEY|PRIVATE_KEY/;

/**
 * The same text with everything that looks like a secret masked. Works on plain text and on JSON text, which stays
 * valid JSON. What it cannot know: a secret without a look or a name of its own.
 */
export function redact(text: string): string {
  const masked = SECRET_HINT.test(text) ? text.replace(SECRETS, MASK) : text;
  return NAME_HINT.test(masked) ? masked.replace(NAMED, maskValue) : masked;
}

function maskValue(_match: string, ...groups: (string | undefined)[]): string {
  return `${groups[0] ?? groups[1] ?? groups[2] ?? ''}${MASK}`;
}
