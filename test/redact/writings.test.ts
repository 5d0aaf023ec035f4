import { expect, test } from 'vitest';
import { secretNamed } from '../../src/redact/names.ts';
import { redact, redactJson } from '../../src/redact/redact.ts';

const VALUE = 'k9Zq7Wx2Rb5Ty8Np3a';

/** A value under the name of a secret, as languages, tools and people write it. `@` is the value. */
const WRITINGS: readonly string[] = [
  "const password: string = '@';",
  'const API_KEY: &str = "@";',
  'val apiKey: String = "@"',
  'var password string = "@"',
  '#define API_KEY "@"',
  'ds.setPassword("@");',
  "client.setToken('@')",
  'os.Setenv("API_KEY", "@")',
  "define('DB_PASSWORD', '@');",
  '{password, "@"}',
  '["--password","@"]',
  '{User:app Password:@ Port:1}',
  'map[user:app password:@]',
  'set -gx API_KEY @',
  'setenv API_KEY @',
  'SetEnv API_KEY @',
  'Set-Item Env:API_KEY "@"',
  'git config --global github.token @',
  'npm config set //registry.example.com/:_authToken @',
  'aws configure set aws_secret_access_key @',
  'gh secret set API_KEY --body @',
  'java -Dpassword=@ -jar app.jar',
  'java -Dspring.datasource.password=@ -jar app.jar',
  '<property name="password">@</property>',
  '<ns:password type="text">@</ns:password>',
  '<key>password</key>\n<string>@</string>',
  'password: |\n  @\n',
  'password: >-\n  @\n',
  'password: !!str @',
  'stripe.api.key=@',
  '"stripe.api.key": "@"',
  '**Password**: @',
  '**Password:** @',
  '| password | @ |',
  'password\t@',
  'password -> @',
  'the password is @',
  'API key: @',
  'Use the API key @ for this.',
  'the token "@" was rejected',
  'the secret (@)',
  'enable secret @',
  'password\u00a0=\u00a0@',
  'password\uff1a@',
  'variable "db_password" {\n  default = "@"\n}',
  'Content-Disposition: form-data; name="password"\r\n\r\n@\r\n',
  'ConvertTo-SecureString "@" -AsPlainText -Force',
  "requests.get(url, auth=('bob', '@'))",
  "ALTER USER bob IDENTIFIED BY '@'",
  'Authorization: Digest username="bob", realm="x", response="@"',
  'http -a bob:@ GET example.com',
  'curl -b "session=@" https://example.com',
  'zip -P @ all.zip file',
  '7z a -p@ all.7z file',
  'ssh-keygen -t rsa -N @ -f key',
  'smbclient //host/share -U bob%@',
  'sqlplus scott/@@db',
  'jdbc:oracle:thin:scott/@@host:1521:x',
  'cargo login @',
  'vault login @',
  'snyk auth @',
  'ngrok authtoken @',
  'requirepass @',
  'masterauth @',
  'openssl rsa -passin pass:@ -in key',
  'ansible_become_pass: @',
];

test.each(WRITINGS)('is masked: %s', (writing) => {
  const text = writing.replace('@', VALUE);
  expect(redact(text)).not.toContain(VALUE);
  expect(redact(`one\n${text}\ntwo`)).not.toContain(VALUE);
  expect(redactJson(JSON.stringify({ content: text }))).not.toContain(VALUE);
});

test.each([
  ['apisecret', 'secret'],
  ['jwtsecret', 'secret'],
  ['registrytoken', 'token'],
  ['dbpwd', 'password'],
  ['storepass', 'password'],
  ['keyStorePass', 'password'],
  ['PRESHARED_KEY', 'secret-key'],
  ['cipherKey', 'secret-key'],
  ['SUPABASE_SERVICE_ROLE_KEY', 'api-key'],
  ['GEMINI_KEY', 'api-key'],
  ['JSESSIONID', 'session'],
  ['psk', 'secret-key'],
])('%s names a secret', (name, kind) => {
  expect(secretNamed(name)).toBe(kind);
});

test.each([
  'nextToken',
  'next_page_token',
  'ContinuationToken',
  'idempotency-token',
  'session_id',
  'routing_key',
  'role_key',
  'compass',
])('%s names none', (name) => {
  expect(secretNamed(name)).toBeUndefined();
});

/** Nearly the same, in code and prose. */
test.each([
  'token *oauth2.Token',
  'the password is incorrect',
  'The token is sha256-encoded',
  '| token | string |',
  'getToken("user-id")',
  'const token: Token = parse("x")',
  'setPassword("Enter the password")',
  'the API key is required',
  'identified by "code" are conditional jumps',
  'token -> next',
  'the key: value pairs',
])('stays: %s', (text) => {
  expect(redact(text)).toBe(text);
});
