/** Names of secrets as a whole. Written without separators, in lower case. */
const WHOLE: ReadonlyMap<string, string> = new Map([
  ['auth', 'authorization'],
  ['sig', 'signature'],
  ['jwt', 'token'],
  ['otp', 'one-time-password'],
  ['totp', 'one-time-password'],
  ['passcode', 'password'],
  ['sas', 'signature'],
]);

/** Last words of names of secrets. The first word decides what the mask says. */
const LAST: ReadonlyMap<string, string> = new Map([
  ['password', 'password'],
  ['passwords', 'password'],
  ['passwd', 'password'],
  ['passphrase', 'password'],
  ['passcode', 'password'],
  ['pwd', 'password'],
  ['pass', 'password'],
  ['pw', 'password'],
  ['secret', 'secret'],
  ['secrets', 'secret'],
  ['token', 'token'],
  ['apitoken', 'token'],
  ['authtoken', 'token'],
  ['accesstoken', 'token'],
  ['refreshtoken', 'token'],
  ['idtoken', 'token'],
  ['bearertoken', 'token'],
  ['privatetoken', 'token'],
  ['sessiontoken', 'token'],
  ['credential', 'credential'],
  ['credentials', 'credential'],
  ['creds', 'credential'],
  ['authorization', 'authorization'],
  ['authorisation', 'authorization'],
  ['cookie', 'cookie'],
  ['cookies', 'cookie'],
  ['setcookie', 'cookie'],
  ['apikey', 'api-key'],
  ['apikeys', 'api-key'],
  ['appkey', 'api-key'],
  ['accesskey', 'access-key'],
  ['secretkey', 'secret-key'],
  ['secretaccesskey', 'secret-key'],
  ['privatekey', 'private-key'],
  ['accountkey', 'account-key'],
  ['authkey', 'api-key'],
  ['masterkey', 'secret-key'],
  ['signingkey', 'secret-key'],
  ['encryptionkey', 'secret-key'],
  ['sharedaccesskey', 'access-key'],
  ['clientsecret', 'secret'],
  ['connectionstring', 'credential'],
  ['dbpassword', 'password'],
  ['userpassword', 'password'],
  ['dbpass', 'password'],
  ['userpass', 'password'],
  ['sessid', 'session'],
  ['phpsessid', 'session'],
  ['jsessionid', 'session'],
  ['hmac', 'signature'],
  ['pat', 'token'],
]);

/** Last words that a name needs another word before: a plain `pat` is no secret. */
const NEEDS_FIRST: ReadonlySet<string> = new Set(['pat', 'pw', 'hmac']);

/** What stands before `pass` where it is short for a password; a compiler and a renderer have passes too. */
const ACCOUNTS: ReadonlySet<string> = new Set([
  'admin',
  'api',
  'auth',
  'cert',
  'client',
  'db',
  'database',
  'ftp',
  'http',
  'imap',
  'key',
  'ldap',
  'login',
  'mail',
  'my',
  'mysql',
  'mongo',
  'pg',
  'postgres',
  'proxy',
  'redis',
  'registry',
  'root',
  'server',
  'sftp',
  'smtp',
  'ssh',
  'sudo',
  'user',
  'vault',
  'vpn',
  'wifi',
]);

/** What stands before `key` in names of secrets. A `public_key` or a `primary_key` is none. */
const KEYS: ReadonlyMap<string, string> = new Map([
  ['api', 'api-key'],
  ['app', 'api-key'],
  ['application', 'api-key'],
  ['access', 'access-key'],
  ['secret', 'secret-key'],
  ['private', 'private-key'],
  ['account', 'account-key'],
  ['storage', 'account-key'],
  ['auth', 'api-key'],
  ['admin', 'api-key'],
  ['service', 'api-key'],
  ['subscription', 'api-key'],
  ['license', 'secret-key'],
  ['master', 'secret-key'],
  ['root', 'secret-key'],
  ['encryption', 'secret-key'],
  ['encrypt', 'secret-key'],
  ['encrypted', 'secret-key'],
  ['decryption', 'secret-key'],
  ['signing', 'secret-key'],
  ['sign', 'secret-key'],
  ['signature', 'secret-key'],
  ['jwt', 'secret-key'],
  ['hmac', 'secret-key'],
  ['shared', 'secret-key'],
  ['session', 'secret-key'],
  ['webhook', 'secret-key'],
  ['write', 'api-key'],
  ['deploy', 'private-key'],
  ['ssh', 'private-key'],
  ['tls', 'private-key'],
  ['ssl', 'private-key'],
  ['pgp', 'private-key'],
  ['gpg', 'private-key'],
  ['rsa', 'private-key'],
  ['consumer', 'api-key'],
  ['client', 'api-key'],
  ['server', 'api-key'],
  ['functions', 'api-key'],
  ['function', 'api-key'],
  ['ingestion', 'api-key'],
  ['ingest', 'api-key'],
  ['user', 'api-key'],
  ['stripe', 'api-key'],
  ['openai', 'api-key'],
  ['anthropic', 'api-key'],
  ['logs', 'secret-key'],
  ['bot', 'api-key'],
  ['cookie', 'secret-key'],
  ['data', 'secret-key'],
  ['fernet', 'secret-key'],
  ['aes', 'secret-key'],
]);

/** Words that may follow the name of a secret. Others make it the name of something about a secret: `token_type`. */
const AFTER: ReadonlySet<string> = new Set([
  'value',
  'string',
  'text',
  'plain',
  'plaintext',
  'raw',
  'header',
  'env',
  'base',
  'b64',
  'base64',
  'encoded',
  'prod',
  'production',
  'dev',
  'development',
  'test',
  'testing',
  'stage',
  'staging',
  'live',
  'sandbox',
  'local',
  'ci',
  'old',
  'new',
  'current',
  'previous',
  'primary',
  'secondary',
  'default',
  'backup',
  'main',
  'read',
  'write',
  'ro',
  'rw',
  'admin',
  'root',
  'master',
  'bot',
  'user',
  'db',
  'database',
  'a',
  'b',
  'confirm',
  'confirmation',
  'repeat',
  'again',
  'digest',
  'github',
  'gitlab',
  'npm',
  'aws',
  'gcp',
  'azure',
  'slack',
  'key',
]);

/** Upper-case names (of variables) may also end in any word but these, which tell something about the secret. */
const ABOUT: ReadonlySet<string> = new Set([
  'id',
  'ids',
  'name',
  'names',
  'url',
  'uri',
  'urls',
  'path',
  'file',
  'dir',
  'folder',
  'type',
  'kind',
  'count',
  'limit',
  'max',
  'min',
  'ttl',
  'expiry',
  'expires',
  'expiration',
  'expire',
  'seconds',
  'minutes',
  'hours',
  'days',
  'ms',
  'length',
  'len',
  'size',
  'version',
  'endpoint',
  'host',
  'port',
  'enabled',
  'disabled',
  'required',
  'region',
  'user',
  'username',
  'email',
  'issuer',
  'audience',
  'alg',
  'algorithm',
  'scope',
  'scopes',
  'timeout',
  'interval',
  'status',
  'error',
  'errors',
  'message',
  'policy',
  'rotation',
  'provider',
  'manager',
  'store',
  'format',
  'prefix',
  'suffix',
  'pattern',
  'regex',
  'field',
  'label',
  'placeholder',
  'hint',
  'description',
  'age',
  'arn',
  'ref',
  'usage',
  'rate',
  'budget',
  'cost',
  'command',
  'cmd',
  'helper',
  'source',
  'location',
  'vault',
  'domain',
  'address',
  'index',
  'counts',
]);

const WORD = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+/g;

/** A program uses few names; the bound protects against one that generates them. */
const NAMES_MAX = 4_000;
const NAME_CHARS_MAX = 128;
/** Empty for a name that is that of no secret. */
const known = new Map<string, string>();

/** What a value of this name is: `password`, `token`, ...; undefined when the name is that of no secret. */
export function secretNamed(name: string): string | undefined {
  if (name.length < 2 || name.length > NAME_CHARS_MAX) return undefined;
  const kind = known.get(name);
  if (kind !== undefined) return kind === '' ? undefined : kind;
  const fresh = classify(name);
  if (known.size >= NAMES_MAX) known.clear();
  known.set(name, fresh ?? '');
  return fresh;
}

function classify(name: string): string | undefined {
  const words = (name.match(WORD) ?? []).map((word) => word.toLowerCase());
  const isUpper = name === name.toUpperCase() && /[A-Z]/.test(name);
  while (words.length > 1 && /^[0-9]+$/.test(words.at(-1) ?? '')) words.pop();
  const joined = words.join('');
  const whole = WHOLE.get(joined);
  if (whole !== undefined) return whole;
  for (let end = words.length; end > 0; end -= 1) {
    const kind = endingAt(words.slice(0, end), isUpper);
    if (kind !== undefined) return kind;
    const last = words[end - 1] ?? '';
    if (isUpper ? ABOUT.has(last) : !AFTER.has(last) && !/^[0-9]+$/.test(last)) return undefined;
  }
  return undefined;
}

/** What these words name when the last of them decides. */
function endingAt(words: readonly string[], isUpper: boolean): string | undefined {
  const last = words.at(-1) ?? '';
  const before = words.at(-2);
  if (last === 'key' || last === 'keys') return before === undefined ? undefined : KEYS.get(before);
  if (last === 'sig' || last === 'signature') {
    // A signed address: `X-Amz-Signature`, `X-Goog-Signature`.
    return before === 'amz' || before === 'goog' || before === 'sas' ? 'signature' : undefined;
  }
  if (last === 'auth')
    return before === 'proxy' || before === 'basic' || before === 'http' || before === 'registry'
      ? 'authorization'
      : undefined;
  // `client-key-data` of a kubeconfig; `certificate-authority-data` is public.
  if (last === 'data' && before === 'key') return KEYS.get(words.at(-3) ?? '');
  if (last === 'string' && before === 'connection') return 'credential';
  if (last === 'pass' && before !== undefined && !isUpper && !ACCOUNTS.has(before)) return undefined;
  if (before === undefined && NEEDS_FIRST.has(last)) return undefined;
  // `PGPASSWORD`, `mysqlpasswd`: a word of its own, written together with the one before.
  return LAST.get(last) ?? (/passw(?:or)?d$/.test(last) ? 'password' : undefined);
}
