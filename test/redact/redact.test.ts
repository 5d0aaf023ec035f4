import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { redact, redactJson, setRedactRules } from '../../src/redact/redact.ts';
import { builtUrl } from '../support/built.ts';
import { fc } from '../support/fast-check.ts';

const GROWTH = join(import.meta.dirname, 'growth-process.mjs');

const A = (count: number): string => 'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZ'.repeat(8).slice(0, count);
const PEM_BODY = `${A(64)}\n${A(64)}\n${A(20)}==`;

const SECRETS: readonly (readonly [string, string])[] = [
  ['a GitHub token', `ghp_${A(36)}`],
  ['a GitHub app token', `ghs_${A(36)}`],
  ['a fine-grained GitHub token', `github_pat_${A(82)}`],
  ['a GitLab token', `glpat-${A(20)}`],
  ['an Anthropic key', `sk-ant-api03-${A(90)}-${A(6)}`],
  ['an OpenAI project key', `sk-proj-${A(60)}`],
  ['an older OpenAI key', `sk-${A(48)}`],
  ['a Google key', `AIza${A(35)}`],
  ['an AWS key id', 'AKIAIOSFODNN7EXAMPLE'],
  ['a Slack bot token', `xoxb-1234567890-${A(24)}`],
  ['a Slack app token', `xapp-1-A0123456789-${A(30)}`],
  ['an npm token', `npm_${A(36)}`],
  ['a PyPI token', `pypi-AgEIcHlwaS5vcmc${A(60)}`],
  ['an Atlassian token', `ATATT3xFfGF0${A(60)}`],
  ['a JSON Web Token', `eyJ${A(20)}.eyJ${A(40)}.${A(43)}`],
  ['a private key', `-----BEGIN PRIVATE KEY-----\n${PEM_BODY}\n-----END PRIVATE KEY-----`],
  [
    'an encrypted private key with headers',
    `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,${A(32)}\n\n${PEM_BODY}\n-----END RSA PRIVATE KEY-----`,
  ],
];

const SURROUNDINGS: readonly (readonly [string, (secret: string) => string])[] = [
  ['alone', (secret) => secret],
  ['in a sentence', (secret) => `the key is ${secret}, keep it`],
  ['on a line of its own', (secret) => `first\n${secret}\nlast`],
  ['after a tab', (secret) => `x\t${secret}`],
  ['in colours', (secret) => `\u001b[32m${secret}\u001b[0m`],
  ['in quotes', (secret) => `key: "${secret}"`],
  ['as an assignment', (secret) => `X=${secret}`],
];

for (const [kind, secret] of SECRETS) {
  test(`${kind} is masked at every position, in plain text and in JSON, which stays valid`, () => {
    for (const [where, put] of SURROUNDINGS) {
      const text = put(secret);
      const masked = redact(text);
      expect(masked, where).not.toContain(secret);
      expect(masked, where).toMatch(/\[redacted:[a-z-]+\]/);
      expect(masked, where).not.toContain(A(20));
      const value: unknown = JSON.parse(redactJson(JSON.stringify({ content: text, after: 'kept' })));
      expect(value, where).toEqual({ content: masked, after: 'kept' });
      // JSON inside a JSON string, as in a tool result.
      const nested: { text: string } = JSON.parse(
        redactJson(JSON.stringify({ text: JSON.stringify({ text }) })),
      );
      expect(JSON.parse(nested.text), where).toEqual({ text: masked });
    }
  });
}

test.each([
  ['Authorization: Bearer abcDEF123456.ghi-789_xyz', 'Authorization: Bearer [redacted:authorization]'],
  ['redis://:hunter2hunter@cache:6379/0', 'redis://:[redacted:url-password]@cache:6379/0'],
  ['https://bob:p@ss:word@example.com/x', 'https://bob:[redacted:url-password]@example.com/x'],
  ['AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY', 'AWS_SECRET_ACCESS_KEY=[redacted:access-key]'],
  ['AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI/K7MDENG/bPxRfiCY"', 'AWS_SECRET_ACCESS_KEY="[redacted:access-key]"'],
  ['"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY"', '"AWS_SECRET_ACCESS_KEY=[redacted:access-key]"'],
  ["export DB_PASSWORD='correct-horse'", "export DB_PASSWORD='[redacted:password]'"],
  ['HOME=/root\nMY_API_KEY=0123456789\nUSER=me', 'HOME=/root\nMY_API_KEY=[redacted:api-key]\nUSER=me'],
])('the value is masked and its name kept: %s', (text, masked) => {
  expect(redact(text)).toBe(masked);
  expect(JSON.parse(redactJson(JSON.stringify({ text })))).toEqual({ text: masked });
});

test.each([
  'https://github.com/o/r/pull/200?tab=files#diff',
  'http://localhost:3000?email=me@example.com',
  'http://127.0.0.1:8000/webhooks/github, mail me@example.com',
  'git@github.com:owner/repo.git',
  'ssh://git@github.com:22/owner/repo.git',
  'commit 9fceb02d0ae598e95dc970b74767f19372d61af8',
  '550e8400-e29b-41d4-a716-446655440000',
  'task-01jd9zq3v5w8x7y6t5r4e3w2q1',
  'task-or-workflow-comparison-of-results and disk-ant-colony-optimisation-algorithms',
  'pypi-trusted-publishing-how-to-configure-github-actions-for-a-project',
  'the bearer responsibilities-of-the-holder',
  'MAX_TOKENS=32000 and TOKEN=$GITHUB_TOKEN_OF_THE_JOB',
  'a -----BEGIN CERTIFICATE----- line and the words PRIVATE KEY and SECRET and ://',
  'sk-learn, sk-SK, npm_config_registry=https://registry.npmjs.org/',
])('ordinary text is left alone: %s', (text) => {
  expect(redact(text)).toBe(text);
});

test('a base64 image is left alone, also when it contains the prefix of a secret', () => {
  const bytes = Buffer.alloc(300_000);
  for (let at = 0, seed = 7; at < bytes.length; at += 1) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    bytes[at] = seed >> 16;
  }
  const base64 = bytes.toString('base64');
  const image = `data:image/png;base64,${base64.slice(0, 1000)}AIza${base64.slice(1000)}eyJ${base64}AKIA0123456789ABCDEF${base64}`;
  expect(redact(image)).toBe(image);
});

test('redacting a second time changes nothing', () => {
  const once = redact(SECRETS.map(([, secret]) => `TOKEN=${secret} https://a:${A(9)}@b`).join('\n'));
  expect(redact(once)).toBe(once);
});

test('a truncated private key is masked, and the quote after it still closes the string', () => {
  const text = JSON.stringify({
    inner: JSON.stringify({ key: `-----BEGIN PRIVATE KEY-----\n${A(64)}\n${A(40)}` }),
  });
  const masked = redactJson(text);
  expect(masked).not.toContain(A(20));
  const value: { inner: string } = JSON.parse(masked);
  expect(JSON.parse(value.inner)).toEqual({ key: '[redacted:private-key]' });
});

test('prose after a key header stays', () => {
  expect(redact('It begins with -----BEGIN PRIVATE KEY----- and then goes on.')).toContain(
    'and then goes on.',
  );
});

test('text between a key header and a distant end line stays', () => {
  const text = `-----BEGIN PRIVATE KEY----- ${'word '.repeat(10_000)}-----END PRIVATE KEY-----`;
  expect(redact(text)).toContain('word word');
});

test('a word that resembles a token because of a preceding escape leaves valid JSON', () => {
  for (const before of ['\n', '\t', '\\', '\b', '"', '\u0000', '\ud800']) {
    for (const [kind, secret] of SECRETS) {
      for (const cut of [0, 1, 2]) {
        const content = `${before}${secret.slice(cut)}`;
        const value: unknown = JSON.parse(redactJson(JSON.stringify({ content })));
        expect(value, kind).toEqual({ content: redact(content.toWellFormed()) });
      }
    }
  }
  const text = `\npm_${A(36)}`;
  expect(redactJson(JSON.stringify({ text }))).toBe(JSON.stringify({ text }));
  // In a string of JSON text the letter belongs to the line break, and the inner text stays valid JSON.
  const { inner }: { inner: string } = JSON.parse(
    redactJson(JSON.stringify({ inner: JSON.stringify(text) })),
  );
  expect(JSON.parse(inner)).toBe('\n[redacted:npm-token]');
});

test('a token after a backslash is masked', () => {
  for (const [kind, secret] of SECRETS) expect(redact(`C:\\${secret}`), kind).not.toContain(secret.slice(4));
});

test('a token joined to a name or a word is masked', () => {
  const token = `eyJ${A(20)}.eyJ${A(40)}.${A(43)}`;
  expect(redact(`id_${token} my-${token}`)).toBe('id_[redacted:web-token] my-[redacted:web-token]');
});

test.each([
  '{"name": "API_KEY", "value": "kJ82hsKq92mZx0"}',
  '{"name":"DB_PASSWORD","value":"hunter22"}',
  '            - name: API_KEY\n              value: kJ82hsKq92mZx0',
  'name: api_key, value: kJ82hsKq92mZx0',
])('the value of a pair with the name of a secret is masked in a text: %s', (text) => {
  expect(redact(text)).not.toMatch(/kJ82|hunter22/);
});

test('a list of names without values stays', () => {
  const text = '{"required": ["token", "api_key", "kJ82hsKq92mZx0"]}\ntoken,\nvaluesOf9Things = 12';
  expect(redact(text)).toBe(text);
});

test('the working directory that env prints stays, a password under its name does not', () => {
  expect(redact('PWD=/srv/app-2\nOLDPWD=/srv/app1\n')).toBe('PWD=/srv/app-2\nOLDPWD=/srv/app1\n');
  expect(redact('Server=db;Pwd=/hunter22;')).toBe('Server=db;Pwd=[redacted:password];');
  expect(redact('DB_PWD=/hunter22')).toBe('DB_PWD=[redacted:password]');
});

test('field names are masked, and a field named __proto__ stays a field', () => {
  const text = `{"ghp_${A(36)}":[1,"ghp_${A(36)}",null],"__proto__":{"a":"ghp_${A(36)}"},"n":-1.5}`;
  expect(redactJson(text)).toBe(
    '{"[redacted:github-token]":[1,"[redacted:github-token]",null],"__proto__":{"a":"[redacted:github-token]"},"n":-1.5}',
  );
});

test.each([
  ['by another JSON writer', `{"a":"gh\\u0070_${A(36)}"}`, { a: '[redacted:github-token]' }],
  [
    'with slashes',
    '{"a":"https:\\/\\/bob:hunter2hunter@h\\/x"}',
    { a: 'https://bob:[redacted:url-password]@h/x' },
  ],
  ['with a tab', `{"a":"Bearer\\tabc${A(20)}"}`, { a: 'Bearer\t[redacted:bearer-token]' }],
])('a secret that JSON writes with escapes is masked: %s', (_how, text, value) => {
  expect(JSON.parse(redactJson(text))).toEqual(value);
});

test('each string in JSON is masked like the plain string, for every form of escaping', () => {
  const parts = [
    ...SECRETS.flatMap(([, secret]) => [secret, secret.slice(1), secret.slice(0, 30)]),
    ...[
      '\n',
      '\t',
      '\\',
      '"',
      '/',
      '\u00a0',
      '\u0001',
      ' ',
      '.',
      '_',
      '-',
      '@',
      '=',
      ':',
      "'",
      '$',
      'x',
      'é',
      '\ud800',
    ],
    ...['Bearer', 'bearer ', '://', 'a:b@', 'TOKEN', 'PASSWD', 'API_KEY=', 'hunter2hunter', 'n', 'eyJ'],
  ];
  const escapeAll = (text: string): string =>
    `"${Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 8 }), (pieces) => {
      const text = pieces.join('');
      // Half a character becomes U+FFFD on the way.
      const masked = redact(text.toWellFormed());
      expect(JSON.parse(redactJson(JSON.stringify([text])))).toEqual([masked]);
      expect(JSON.parse(redactJson(JSON.stringify([text]).replaceAll('/', '\\/')))).toEqual([masked]);
      expect(JSON.parse(redactJson(escapeAll(text)))).toEqual(masked);
    }),
    { numRuns: 3_000 },
  );
});

test.each([
  ['a tab behind the break', 'x\n\tapp-1-A0123456789-aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0'],
  ['a break before it', `\nAIzaaB3dE5gH7jK9mN1p\nQ2rS4tU6vW8xY0zZaB3`],
])('a token over a line break, with %s, is masked in JSON as in plain text', (_what, text) => {
  const masked = redact(text);
  expect(masked).toContain('[redacted:');
  expect(JSON.parse(redactJson(JSON.stringify([text])))).toEqual([masked]);
});

test.each(['^emp-[0-9]{6}$', '(?<![a-z"])emp-[0-9]{6}', 'emp-[0-9]{6}(?!")'])(
  'a rule of the configuration that looks around its match, %s, masks values in JSON too',
  (pattern) => {
    setRedactRules([{ name: 'employee', pattern }]);
    try {
      expect(redact('emp-123456')).toBe('[redacted:employee]');
      expect(redactJson('{"a":"emp-123456"}')).toBe('{"a":"[redacted:employee]"}');
    } finally {
      setRedactRules([]);
    }
  },
);

test('JSON without a secret is returned as it is', () => {
  const text = '{ "a" : "https://example.com/x@y", "n": 12345678901234567890 }';
  expect(redactJson(text)).toBe(text);
});

test('text that is not JSON is masked as plain text', () => {
  expect(redactJson(`{"cut": "ghp_${A(36)}`)).toBe('{"cut": "[redacted:github-token]');
});

test('no text that is derived from a rule takes more than linear time', {
  tags: 'full',
  timeout: 1_200_000,
}, () => {
  const out = execFileSync(process.execPath, [GROWTH, dirname(fileURLToPath(builtUrl('index.ts')))], {
    encoding: 'utf8',
  });
  const { count, slow }: { count: number; slow: string[] } = JSON.parse(out);
  expect(count).toBeGreaterThan(2_000);
  expect(slow).toEqual([]);
});
