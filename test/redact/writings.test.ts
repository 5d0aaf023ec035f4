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

/** The same in commands, protocols, statements, tables and dumps. A value may stand behind another `@`: the last one counts. */
const MORE_WRITINGS: readonly string[] = [
  'AUTH default @',
  'HELLO 3 AUTH default @',
  'CONFIG SET requirepass "@"',
  'ACL SETUSER app on >@ ~*',
  "CREATE USER 'app' IDENTIFIED WITH mysql_native_password BY '@';",
  "SET PASSWORD FOR 'bob' = PASSWORD('@');",
  "CREATE LOGIN app WITH PASSWORD = N'@';",
  "ALTER ROLE app WITH ENCRYPTED PASSWORD '@';",
  // Quotations that were cut.
  "ran ALTER ROLE app WITH PASSWORD '@ and more of it",
  'it said: password: "@ was not taken',
  "set DB_PASSWORD='@ and then the rest",
  "INSERT INTO users (name, email, password) VALUES ('bob', 'b@example.com', '@');",
  "INSERT INTO users (id, password, at) VALUES (nextval('users_id'), '@', NOW())",
  "INSERT INTO users (at, password) VALUES (NOW(), 'x'), ('2026-01-02'::date, '@'::text)",
  "insert into settings (key, value) values ('a', 'b'), ('smtp_password', '@');",
  "SELECT pgp_sym_decrypt(data, '@') FROM t;",
  "EXEC sp_addlogin 'bob', '@';",
  'db.auth("app", "@")',
  'mysqli_connect("localhost", "root", "@", "db");',
  'new NetworkCredential("bob", "@")',
  'htpasswd -b file bob @',
  'htpasswd -nb bob @',
  'net use Z: \\server\\share /user:bob @',
  'net user bob @ /add',
  'curl -su bob:@ https://example.com',
  'curl --cert client.pem:@ https://example.com',
  'skopeo copy --src-creds bob:@ docker://a docker://b',
  'echo @ | sudo -S apt-get update',
  'echo "bob:@" | chpasswd',
  "printf '%s' '@' | gh auth login --with-token",
  'gh auth login --with-token <<< @',
  'docker login -u bob -p @ registry.example.com',
  'az acr login -n r -u bob -p @',
  'isql -U sa -P @',
  'cf auth bob @',
  'openssl enc -aes-256-cbc -k @ -in a',
  'plink -pw @ bob@host',
  'pdftotext -upw @ x.pdf',
  'qpdf --encrypt @ b 256 -- a b',
  'xfreerdp /u:bob /p:@ /v:h',
  'swaks -au bob -ap @',
  'unrar x -p@ x.rar',
  'rar a -hp@ x.rar f',
  'aws ssm put-parameter --type SecureString --name /app/db --value @',
  'poetry config http-basic.foo bob @',
  'poetry config pypi-token.pypi @',
  'composer config github-oauth.github.com @',
  'bundle config gems.example.com bob:@',
  'BUNDLE_GEMS__EXAMPLE__COM="bob:@"',
  'vault operator unseal @',
  'Unseal Key 1: @',
  'consul acl set-agent-token default @',
  'bw login bob@example.com @',
  'bw unlock @',
  'cloudflared service install @',
  'wpa_passphrase home @',
  'rabbitmqctl add_user app @',
  'mosquitto_passwd -b f bob @',
  'lftp -u bob,@ sftp://host',
  'expdp system/@ full=y',
  'iwconfig wlan0 key s:@',
  'snmp-server community @ RO',
  'snmpwalk -v3 -u a -A @ h',
  'crypto isakmp key @ address 1.2.3.4',
  'enable password 7 @',
  'ldappasswd -s @ cn=bob',
  'security add-generic-password -a bob -s svc -w @',
  'sonar-scanner -Dsonar.login=@',
  'vault write auth/approle/login role_id=x secret_id=@',
  'jenkins-cli -auth bob:@ who-am-i',
  'a1 LOGIN bob @',
  'AUTH PLAIN @',
  '*:*:*:bob:@',
  'restic --password-command "echo @" backup',
  'expect "assword:"; send "@\r"',
  'ConvertTo-SecureString -AsPlainText -Force -String "@"',
  'Add-User -UserName bob -Password @',
  'https://maps.example.com/v1?key=@',
  'https://app.example.com/cb?code=@&state=x',
  'Cookie: theme=dark; session=@; lang=en',
  '{"kty":"oct","k":"@"}',
  '{"kty":"RSA","n":"0vx7ago","e":"AQAB","d":"@"}',
  'name,email,password\nbob,b@example.com,@\n',
  'id;user;passwd;role\n1;bob;@;admin\n',
  'User Name,Secret access key\nbob,@\n',
  '| user | password |\n| --- | --- |\n| bob | @ |',
  ' id | token \n----+-------\n  1 | @\n',
  'password = """@"""',
  '<password><![CDATA[@]]></password>',
  '<entry key="password">@</entry>',
  '<setting name="ApiToken" serializeAs="String"><value>@</value></setting>',
  '<input type="hidden" value="@" name="csrf_token">',
  '<tr><td>password</td><td>@</td></tr>',
  '<b>password:</b> @',
  '<b>password</b>: <code>@</code>',
  '*password:* @',
  "OrderedDict([('user', 'bob'), ('password', '@')])",
  'Password: (string) (len=18) "@"',
  'api_key: Some("@")',
  "password=SecretStr('@')",
  '["password"]=>\n  string(18) "@"',
  '(password . "@")',
  'std::string apiKey{"@"};',
  'std::string password("@");',
  'Your password is: @',
  'Password for bob: @',
  'New password set to @',
  'recovery key: @',
  'form-data; name=token\r\n\r\n@\r\n',
];

test.each(MORE_WRITINGS)('is masked in: %s', (writing) => {
  const at = placeOf(writing);
  const text = writing.slice(0, at) + VALUE + writing.slice(at + 1);
  expect(redact(text)).not.toContain(VALUE);
  expect(redact(`one\n${text}\ntwo`)).not.toContain(VALUE);
  expect(redactJson(JSON.stringify({ content: text }))).not.toContain(VALUE);
  expect(redactJson(JSON.stringify({ a: JSON.stringify({ content: text }) }))).not.toContain(VALUE);
});

/** No `@` of a mail address or of a host. */
function placeOf(writing: string): number {
  return writing.search(/(?<![a-z])@|@(?![a-z])|(?<= -h?p)@/);
}

test.each(['sshpass -p @ ssh host', 'docker login -u bob -p @ r', 'redis-cli -a @'])(
  'is masked in base64, twice, and in hexadecimal digits: %s',
  (writing) => {
    const text = writing.replace('@', VALUE);
    const base64 = (plain: string): string => Buffer.from(plain).toString('base64');
    for (const encoded of [
      base64(text),
      base64(`x ${base64(text)}`),
      Buffer.from(`password=${text}`).toString('hex'),
    ])
      expect(redact(`data ${encoded} end`)).toMatch(/^data \[redacted:[a-z-]+\] end$/);
  },
);

test('what hides a secret inside base64 does not keep it', () => {
  for (const hidden of ['\u001b[31m', '\u200b']) {
    const text = `password=${VALUE.slice(0, 5)}${hidden}${VALUE.slice(5)}`;
    expect(redact(`data ${Buffer.from(text).toString('base64')} end`)).toBe('data [redacted:password] end');
  }
});

test('the private members of a JSON Web Key are masked, the public ones stay', () => {
  const key = { kty: 'EC', crv: 'P-256', x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7', d: VALUE };
  expect(JSON.parse(redactJson(JSON.stringify(key)))).toEqual({ ...key, d: '[redacted:private-key]' });
  expect(redact(`key = ${JSON.stringify(key)}`)).toContain(key.x);
});

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
  'INSERT INTO users (id, password_changed) VALUES (7, 1234)',
  'docker run -u root -p 8080:80 app',
  'echo hello-world | grep token',
  'auth.PlainAuth("", "user", "password")',
  "hints: [' -pw '], skip: 1",
  'name, token, type\nfoo, bar, baz',
  'Set-Cookie: a=b; Path=/cookie',
  'AUTH LOGIN PLAIN',
  'kty: string; k: string',
  'https://example.com/?key=some-setting-name',
])('stays: %s', (text) => {
  expect(redact(text)).toBe(text);
});
