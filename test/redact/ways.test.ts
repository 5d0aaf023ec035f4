import { expect, test } from 'vitest';
import { redact, redactJson, redactNamedText } from '../../src/redact/redact.ts';

const A = (count: number): string => 'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZ'.repeat(8).slice(0, count);
const H = (count: number): string => '0123456789abcdef'.repeat(16).slice(0, count);

/** A secret, and the form in which it is written. */
const FORMS: readonly (readonly [secret: string, text: string])[] = [
  ...[
    `sk_live_${A(24)}`,
    `rk_live_${A(24)}`,
    `whsec_${A(32)}`,
    `glrt-${A(20)}`,
    `ya29.${A(60)}`,
    `GOCSPX-${A(28)}`,
    `SG.${A(22)}.${A(43)}`,
    `SK${H(32)}`,
    `hf_${A(34)}`,
    `dop_v1_${H(64)}`,
    `dckr_pat_${A(27)}`,
    `hvs.${A(40)}`,
    `123456789:AA${A(33)}`,
    `dapi${H(32)}`,
    `lin_api_${A(40)}`,
    `ntn_${A(46)}`,
    `shpat_${H(32)}`,
    `ghp_${A(36)}`,
    `xoxb-123456789012-${A(24)}`,
    `sk-ant-api03-${A(95)}`,
    `AIza${A(35)}`,
    `npm_${A(36)}`,
    `trail.${A(43)}`,
    `agent.task-1.${A(43)}`,
  ].map((secret) => [secret, secret] as const),
  ...[
    '_authToken=@',
    'aws_secret_access_key = @',
    'Server=h;Password=@;',
    'jdbc:postgresql://h/db?user=u&password=@',
    'DB_PASS=@',
    'password=@',
    'api_key=@',
    'password: @',
    '{"password": "@"}',
    '{"apiKey":"@"}',
    '{"DB_TOKEN":"@"}',
    '--token @',
    '--password=@',
    'curl -u bob:@ https://h',
    'X-Api-Key: @',
    'PRIVATE-TOKEN: @',
    'Authorization: token @',
    '?access_token=@',
    '?sv=1&sig=@',
    'AccountName=a;AccountKey=@;EndpointSuffix=x',
    'export MY_SECRET="@"',
    'machine h login me password @',
    'mysql -p@ -h x',
    'https://hooks.slack.com/services/T00000000/B00000000/@',
    'Set-Cookie: sid=@; Path=/',
    'ENV API_TOKEN @',
  ].map((text) => [`hunter2x${A(16)}`, text.replace('@', `hunter2x${A(16)}`)] as const),
  [
    Buffer.from(`me:${A(12)}`).toString('base64'),
    `Authorization: Basic ${Buffer.from(`me:${A(12)}`).toString('base64')}`,
  ],
];

const WAYS: Readonly<Record<string, (text: string) => string>> = {
  line: (text) => redact(`${text}\n`),
  sentence: (text) => redact(`It says ${text} and goes on`),
  lines: (text) => redact(`one\n${text}\ntwo`),
  field: (text) => redactJson(JSON.stringify({ content: text })),
  'tool input': (text) => redactJson(JSON.stringify({ command: `run '${text}'`, list: [text] })),
  'JSON in JSON': (text) => redactJson(JSON.stringify({ content: JSON.stringify({ text }) })),
  attribute: (text) => redactNamedText('note', text),
  OTLP: (text) => redactJson(JSON.stringify({ attributes: [{ key: 'note', value: { stringValue: text } }] })),
  name: (text) => redactJson(JSON.stringify({ [text]: 1 })),
  'URL-encoded': (text) => redact(`https://h/?q=${encodeURIComponent(text)}`),
  'percent-encoded': (text) =>
    redact(text.replace(/./gs, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`)),
  escapes: (text) =>
    redact(text.replace(/./gs, (char) => `\\u00${char.charCodeAt(0).toString(16).padStart(2, '0')}`)),
  colours: (text) => redact(`\u001b[32m${text}\u001b[0m`),
};

for (const [way, masked] of Object.entries(WAYS)) {
  test(`no form survives: ${way}`, () => {
    const left = FORMS.filter(([secret, text]) => {
      const out = masked(text);
      return out.includes(secret) || out.includes(encodeURIComponent(secret)) || !out.includes('[redacted:');
    });
    expect(left.map(([, text]) => text)).toEqual([]);
  });
}

const TOKENS = FORMS.filter(([secret, text]) => secret === text).map(([secret]) => secret);

test('no form with a prefix survives base64, a line break, a colour or a character without a width inside', () => {
  for (const secret of TOKENS) {
    // A hint of three characters decides too little of base64.
    if (/^(?:SK|SG|hf_|\d)/.test(secret)) continue;
    expect(redact(`x ${Buffer.from(`a: ${secret} b`).toString('base64')}`), secret).toContain('[redacted:');
    for (let at = 1; at < secret.length; at += 1) {
      for (const inside of ['\n', '\r\n', '\\\n', '\\n', '\u001b[1m', '\u200b']) {
        const out = redact(`x ${secret.slice(0, at)}${inside}${secret.slice(at)} y`);
        expect(
          out.includes(secret.slice(0, at)) && out.includes(secret.slice(at)) && at > 3,
          JSON.stringify([secret, at, inside]),
        ).toBe(false);
      }
    }
  }
});

test('a name and a value that stand apart are one secret', () => {
  const values = [
    { name: 'api_key', value: 'correct horse' },
    { key: 'password', value: { stringValue: 'correct horse' } },
    ['authorization', 'Token correct-horse'],
    [['x-api-key', 'correct-horse1']],
    { env: ['API_KEY=correct-horse'] },
    { args: ['--token', 'correct-horse'] },
    { password: ['correct horse'] },
  ];
  for (const value of values) expect(redactJson(JSON.stringify(value))).not.toContain('correct');
});

test.each([
  'password: string',
  'token = getToken()',
  'apiKey: process.env.KEY',
  'password = prompt()',
  'TOKEN=$OTHER',
  `TOKEN=$${'{{'} secrets.X }}`,
  '--token <token>',
  'max_tokens=4096',
  '"token": null',
  'const secret = await read(path);',
  'password: true',
  '{"input_tokens":12345678}',
  'if (token === undefined) return;',
  'PWD=/home/me/project\nOLDPWD=/home/me\n',
  'export PWD="/tmp/tasktrail-token-okmzOK"',
  'PWD=C:\\Users\\me',
])('ordinary text stays: %s', (text) => {
  expect(redact(text)).toBe(text);
});

test('a password that begins as a path does is masked, except after the name of the working directory', () => {
  for (const text of [
    'Server=db;Uid=sa;Pwd=/correct-horse1;',
    'MYSQL_PWD=/correct-horse1',
    'PWD=correct-horse1',
  ])
    expect(redact(text)).not.toContain('correct');
});

test.each([
  ['an element', '<password>V</password>'],
  ['a name written together', 'export PGPASSWORD=V'],
  ['a key of a kubeconfig', 'client-key-data: V'],
  ['a pair in JSON text', 'env: [{"name":"password","value":"V"}]'],
  ['a list in JSON text', 'headers: {"authorization": ["V"], "X-Api-Key":["V"]}'],
  ['a pair in JSON text inside JSON text', '"[{\\"name\\":\\"password\\",\\"value\\":\\"V\\"}]"'],
  ['a command after an escaped line break', 'said "hello\\ncurl -u admin:V https://x"'],
  ['a connection string', '{"connectionString":"V"}'],
])('a value after a name: %s', (_, text) => {
  const value = `k9${'Zq7Wx2'.repeat(3)}`;
  expect(redact(text.replaceAll('V', value))).not.toContain(value);
  expect(redactJson(JSON.stringify({ content: text.replaceAll('V', value) }))).not.toContain(value);
});

test('what stands around such names stays', () => {
  for (const text of [
    'certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUR',
    '<token>word</token>',
    '{"name":"password","type":"string"}',
    '{"tokens": [1, 2], "passwords": ["none"]}',
  ])
    expect(redact(text)).toBe(text);
});

test.each([
  'this.lastSignificantToken = "?NonNull";',
  'Token: "#d8dee9"',
  '{"keyword.token": "#88c0d0", "token": "#D8DEE9FF"}',
  'secret: HMAC-SHA256',
  'token = "HMAC-SHA256"',
  'Signature-Key: HMAC-SHA512',
  'authorization: AWS4-HMAC-SHA256',
  'a URL such as https://user:password:@host/x',
  'write `password:@` before the host',
  'new Holder({ token: this.#token, path })',
  'else if (found.token !== this.#record.token) return',
  '`https://user:...@host`',
])('names of algorithms, colours and signs stay: %s', (text) => {
  expect(redact(text)).toBe(text);
  expect(JSON.parse(redactJson(JSON.stringify({ text })))).toEqual({ text });
});

test('a password that resembles a colour is masked', () => {
  expect(redact('{"password": "#d8dee9"}')).toBe('{"password": "[redacted:password]"}');
  expect(redactJson('{"password":"#d8dee9","token":"#d8dee9"}')).toBe(
    '{"password":"[redacted:password]","token":"#d8dee9"}',
  );
  expect(redact('DB_PASSWORD=#d8dee9x')).toBe('DB_PASSWORD=[redacted:password]');
});
