/**
 * Secrets by their own look, vendor by vendor: each has a prefix that nothing else has, so that ordinary text is left
 * alone. One expression, because it runs over every line. No class holds `"` or `\`: the text may be JSON.
 */
const SECRETS = new RegExp(
  [
    'gh[pousr]_[A-Za-z0-9]{36,255}', // GitHub tokens
    'github_pat_[A-Za-z0-9_]{60,255}',
    'glpat-[A-Za-z0-9_-]{20,}', // GitLab
    'sk-(?:ant|proj|or|svcacct)-[A-Za-z0-9_-]{20,}', // Anthropic, OpenAI, OpenRouter
    'sk-[A-Za-z0-9]{40,}',
    'AIza[A-Za-z0-9_-]{35}', // Google
    '(?:AKIA|ASIA)[A-Z0-9]{16}', // AWS key ids
    'xox[abeoprs]-[A-Za-z0-9-]{10,}', // Slack
    'xapp-[A-Za-z0-9-]{20,}',
    'npm_[A-Za-z0-9]{36}',
    'pypi-[A-Za-z0-9_-]{50,}',
    'ATATT[A-Za-z0-9_=-]{50,}', // Atlassian
    'eyJ[A-Za-z0-9_-]{10,}\\.eyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]{10,}', // JSON Web Tokens
    '-----BEGIN [A-Z ]*PRIVATE KEY-----[^"-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?',
  ].join('|'),
  'g',
);

/** `Authorization: Bearer ...`, `https://user:password@host`, `AWS_SECRET_ACCESS_KEY=...`: the value after a name. */
const NAMED = new RegExp(
  [
    '(\\b[Bb]earer\\s+)[A-Za-z0-9._~+/=-]{16,}',
    '(\\b[a-z][a-z0-9+.-]*://[^\\s/:@"\\\\]+:)[^\\s/@"\\\\]+(?=@)',
    '(\\b[A-Z0-9_]*(?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE_KEY)[A-Z0-9_]*=)[^\\s"\\\\;&]{8,}',
  ].join('|'),
  'g',
);

const MASK = '[redacted]';

/** Every secret in it holds one of these; looking for them is far cheaper than the expressions. */
const HINT =
  /gh[pousr]_|github_pat_|glpat-|sk-|AIza|AKIA|ASIA|xox|xapp-|npm_|pypi-|ATATT|eyJ|PRIVATE KEY|earer|:\/\/|SECRET|TOKEN|PASSW|API_?KEY/;

/**
 * The same text with everything that looks like a secret masked. Works on plain text and on JSON text, which stays
 * valid JSON. What it cannot know: a secret without a look or a name of its own.
 */
export function redact(text: string): string {
  if (!HINT.test(text)) return text;
  return text.replace(SECRETS, MASK).replace(NAMED, (_match, ...groups: (string | undefined)[]) => {
    return `${groups[0] ?? groups[1] ?? groups[2] ?? ''}${MASK}`;
  });
}
