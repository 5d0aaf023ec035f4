import { ABOUT, ACCOUNTS, AFTER, KEYS, LAST, NEEDS_FIRST, PLACES, WHOLE } from './name-words.ts';

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
  if (last === 'key' || last === 'keys') {
    if (before === 'role') return words.at(-3) === 'service' ? 'api-key' : undefined;
    return before === undefined ? undefined : KEYS.get(before);
  }
  if (last === 'sig' || last === 'signature') {
    // A signed address: `X-Amz-Signature`, `X-Goog-Signature`.
    return before === 'amz' || before === 'goog' || before === 'sas' ? 'signature' : undefined;
  }
  if (last === 'auth')
    return before === 'proxy' ||
      before === 'basic' ||
      before === 'http' ||
      before === 'registry' ||
      before === 'docker'
      ? 'authorization'
      : undefined;
  // `client-key-data` of a kubeconfig; `certificate-authority-data` is public.
  if (last === 'data' && before === 'key') return KEYS.get(words.at(-3) ?? '');
  if (last === 'string' && before === 'connection') return 'credential';
  if (last === 'pass' && before !== undefined && !isUpper && !ACCOUNTS.has(before)) return undefined;
  if (/^tokens?$/.test(last) && before !== undefined && PLACES.has(before)) return undefined;
  if (last === 'token' && before === 'request' && words.at(-3) === 'client') return undefined;
  if (before === undefined && NEEDS_FIRST.has(last)) return undefined;
  return LAST.get(last) ?? (/passw(?:or)?d$/.test(last) ? 'password' : joinedName(last));
}

const JOINED: readonly (readonly [ending: RegExp, kind: string])[] = [
  [
    /passw(?:or)?d$|passphrase$|(?:db|my|mysql|user|root|admin)pwd$|(?:store|key|db|user|root|admin|smtp|mail|ssh|ldap|imap|ftp|vnc|wifi|sudo)pass$/,
    'password',
  ],
  [
    /(?:api|app|jwt|client|consumer|shared|webhook|auth|oauth|session|cookie|signing|user|totp|otp|hmac|bot)secret$/,
    'secret',
  ],
  [
    /(?:access|api|auth|oauth|bearer|refresh|id|identity|registry|session|user|bot|app|git|github|gitlab|npm|jwt|csrf|xsrf|private|secret|security|service|deploy|web|sso)token$/,
    'token',
  ],
  [/(?:api|app|auth|access|secret|private|master|signing|encryption|account|license|admin)key$/, 'api-key'],
];

/** `PGPASSWORD`, `apisecret`, `identitytoken`: words written together. */
function joinedName(name: string): string | undefined {
  return JOINED.find(([ending]) => ending.test(name))?.[1];
}
