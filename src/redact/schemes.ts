import { type Found, isMask } from './mask.ts';
import { isSecretValue, looksRandom } from './secret-value.ts';

/** Secrets that a sign of another kind than a name stands before: a scheme, an address, an option of a command. */
export interface Scheme {
  readonly hints: readonly string[];
  readonly ignoreCase?: boolean;
  find(text: string, start: number, end: number): Found | undefined;
  /** Whether a string of a JSON text may hold such a secret, judged by what follows the hint. */
  mayStand(text: string, end: number): boolean;
}

const always = (): boolean => true;

/** Requires a digit or a capital letter: "bearer responsibilities" is not a token. */
const BEARER = /(?:\s{1,20}|\\+[nrt])(?=[a-z._~+/=-]*[A-Z0-9])([A-Za-z0-9._~+/=-]{16,})/y;
const BASIC = /[ \t]{1,20}([A-Za-z0-9+/_-]{8,}={0,2})/y;

/** The password ends at the last `@` of the authority: an `@` in it is not always encoded. */
const USER_PASSWORD = /[^\s/:@"'`<>\\?#]*:([^\s/"'`<>\\?#]+)(?=@)/y;
const USER = /([A-Za-z0-9_.~%+-]{16,256})(?=@)/y;

/** A password with a slash: not encoded, which browsers would not take. A number is a port. */
const LOOSE_PASSWORD =
  /[^\s/:@"'`<>\\?#]{0,128}:((?!\d{1,5}[/?#"'])[^\s"'`<>\\@()]{1,256})(?=@[A-Za-z0-9_[][\w.-]{0,255}(?:[:/?#\s"'`\\),]|$))/y;

/** A loose one has an `@` within this length. */
const AUTHORITY_CHARS_MAX = 386;

/** What all of these begin with. Most addresses hold neither sign in their first part. */
const MAY_HOLD_PASSWORD = /[^\s/:@"'`<>\\?#]*[:@]/y;

const AUTHORITY = /[^\s"/@]*@|[^\s"/@:]{0,128}:[^\s"@]{1,256}@/y;

const LINE_CHARS_MAX = 300;

/** Before the `identified by` of SQL in small letters, which prose has too. */
const USER_COMMAND = /(?:create|alter)\s+(?:user|role)\b|\bgrant\b/i;

/** Shorter ones are examples, as of settings. */
const URL_PASSWORD_CHARS_MIN = 4;

interface Option {
  readonly commands: RegExp;
  readonly value: RegExp;
}

const WEB_COMMANDS = /(?<!\w|\w-)(?:curl|wget|https?|xh|lftp|ftp)(?![\w-])/;
const PASSWORD = /\s{0,4}(?:\\*["'])?([^\s"'`\\$<{;|&-][^\s"'`\\;|&]{3,})/y;

/** Words of a command are no tokens: letters and digits that change. */
const STRONG =
  /(?:\\*["'])?(?=[A-Za-z_.-]{0,40}[0-9])((?=[a-z0-9_.-]{0,80}[A-Z]|[a-f0-9-]{24})[A-Za-z0-9_.-]{16,})/y;

const OPTIONS: readonly (readonly [readonly string[], Option])[] = [
  [
    [' -u', ' --user', ' --proxy-user', ' -U '],
    {
      commands: WEB_COMMANDS,
      value: /[= ]{0,4}(?:\\*["'])?[^\s"'`:\\$]{0,120}:((?!\/\/)[^\s"'`\\;|&]{2,})/y,
    },
  ],
  [
    [' -p'],
    {
      commands: /\b(?:mysql|mysqldump|mysqladmin|mysqlimport|mariadb|mariadb-dump)\b/,
      value: /(?:\\*["'])?([^\s"'`\\$<{;|&-][^\s"'`\\;|&]{3,})/y,
    },
  ],
  [
    [' -p ', ' -p'],
    {
      commands:
        /\b(?:sshpass|mongo|mongosh|mongodump|docker login|podman login|helm registry login|oc login|az login|twine upload)\b/,
      value: PASSWORD,
    },
  ],
  [[' -a '], { commands: /\bredis-cli\b/, value: PASSWORD }],
  [
    [' -a ', ' --auth '],
    { commands: WEB_COMMANDS, value: /(?:\\*["'])?[^\s"'`:\\$]{1,120}:([^\s"'`\\;|&]{4,})/y },
  ],
  [[' -b ', ' --cookie '], { commands: /\bcurl\b/, value: /(?:\\*["'])?[\w.-]{1,80}=([^\s"'`\\;|&]{8,})/y }],
  [[' -P '], { commands: /\b(?:zip|unzip)\b/, value: PASSWORD }],
  [[' -p'], { commands: /\b7za?\b/, value: /(?:\\*["'])?([^\s"'`\\$<{;|&-][^\s"'`\\;|&]{3,})/y }],
  [[' -N '], { commands: /\bssh-keygen\b/, value: PASSWORD }],
  [[' -t ', ' auth ', ' login '], { commands: /\b(?:doctl|snyk|cargo|vault)\b/, value: STRONG }],
  [
    [' -U '],
    { commands: /\b(?:smbclient|rpcclient)\b/, value: /(?:\\*["'])?[^\s"'`%\\]{1,80}%([^\s"'`\\;|&]{4,})/y },
  ],
  [['sqlplus '], { commands: /(?:)/, value: /[^\s/@"']{1,60}\/([^\s@"'`\\]{4,})(?=@)/y }],
  [[' -P '], { commands: /\b(?:sqlcmd|bcp|mosquitto_pub|mosquitto_sub)\b/, value: PASSWORD }],
  [[' -w '], { commands: /\b(?:ldapsearch|ldapmodify|ldapadd)\b/, value: PASSWORD }],
];

/** `jdbc:oracle:thin:scott/X@host`. */
const ORACLE = /[a-z0-9]{1,10}:[^\s/@"'`\\]{1,60}\/([^\s@"'`\\]{3,})(?=@)/y;

const QUOTED = /(?:-String )?\\{0,15}["']([^\s"'`\\$]{4,128})(?=\\{0,15}["'])/y;
const SECOND_ARGUMENT =
  /\\{0,15}["'][^"'\s\\]{0,80}\\{0,15}["'],[ ]{0,4}\\{0,15}["']([^\s"'`\\$]{4,128})(?=\\{0,15}["'])/y;

/** `host:port:database:user:password`, a line of .pgpass. */
const PGPASS = /[^:\s]{1,63}:[^:\s]{1,63}:([^\s"'\\]{4,})/y;

export const SCHEMES: readonly Scheme[] = [
  {
    hints: ['bearer'],
    ignoreCase: true,
    find: (text, _start, end) => groupAt(BEARER, text, end, 'bearer-token'),
    mayStand: (text, end) => /[\s\\]/.test(text[end] ?? ''),
  },
  {
    hints: ['basic '],
    ignoreCase: true,
    find: (text, _start, end) => {
      const found = groupAt(BASIC, text, end - 1, 'authorization');
      return found !== undefined && isUserAndPassword(text.slice(found.start, found.end)) ? found : undefined;
    },
    mayStand: always,
  },
  {
    hints: ['://'],
    find: (text, _start, end) => urlPassword(text, end),
    mayStand: (text, end) => testAt(AUTHORITY, text, end),
  },
  {
    hints: [':5432:', ':5433:', ':6432:'],
    find: (text, _start, end) => groupAt(PGPASS, text, end, 'password'),
    mayStand: always,
  },
  {
    hints: ['jdbc:oracle:'],
    find: (text, _start, end) => groupAt(ORACLE, text, end, 'url-password'),
    mayStand: always,
  },
  {
    hints: ['ConvertTo-SecureString ', 'IDENTIFIED BY ', 'identified by ', 'auth=(', 'HTTPBasicAuth('],
    find: (text, start, end) => {
      if (
        text.startsWith('identified', start) &&
        !USER_COMMAND.test(text.slice(Math.max(0, start - 80), start))
      )
        return undefined;
      const value = text.startsWith('(', end - 1) ? SECOND_ARGUMENT : QUOTED;
      const found = groupAt(value, text, end, 'password');
      return found !== undefined && found.start > start && isWritten(text.slice(found.start, found.end))
        ? found
        : undefined;
    },
    mayStand: always,
  },
  ...OPTIONS.map(
    ([hints, option]): Scheme => ({
      hints,
      find: (text, start, end) => optionValue(text, { start, end }, option),
      mayStand: () => true,
    }),
  ),
];

function urlPassword(text: string, end: number): Found | undefined {
  if (!testAt(MAY_HOLD_PASSWORD, text, end)) return undefined;
  const password = groupAt(USER_PASSWORD, text, end, 'url-password') ?? loosePassword(text, end);
  if (password !== undefined) {
    const value = text.slice(password.start, password.end);
    return isWritten(value) && !isExample(text.slice(end, password.start), value) ? password : undefined;
  }
  const user = groupAt(USER, text, end, 'url-password');
  return user !== undefined && looksRandom(text.slice(user.start, user.end)) ? user : undefined;
}

function loosePassword(text: string, end: number): Found | undefined {
  if (!text.slice(end, end + AUTHORITY_CHARS_MAX).includes('@')) return undefined;
  return groupAt(LOOSE_PASSWORD, text, end, 'url-password');
}

/** `username:password@`, `user:pass@`, `REDACTED:REDACTED@`, `a:b@`: what manuals write. */
function isExample(user: string, value: string): boolean {
  if (value.length < URL_PASSWORD_CHARS_MIN) return true;
  return (
    /^\[?(?:user|username|usr|my-?user|login|redacted|xxx+)?:$/i.test(user) &&
    /^(?:password|passwd|pass|pwd|redacted|xxx+)$/i.test(value)
  );
}

/** No variable, no `user:password:@host` of a manual, and no example in brackets. */
function isWritten(value: string): boolean {
  return !isMask(value) && !/^(?:\$[A-Za-z_{(]|\{|%[sdqv]|\*+$|x+$|\.+$|password:$)/.test(value.slice(0, 10));
}

function optionValue(
  text: string,
  { start, end }: { start: number; end: number },
  { commands, value }: Option,
): Found | undefined {
  const found = groupAt(value, text, end, 'password');
  if (found === undefined) return undefined;
  const before = text.slice(Math.max(0, start - LINE_CHARS_MAX), start);
  // The letter of an escaped line break is no part of the command.
  const line = before.slice(before.lastIndexOf('\n') + 1).replaceAll(/\\[nrt]/g, ' ');
  if (!commands.test(line)) return undefined;
  const word = text.slice(found.start, found.end);
  return isWritten(word) && isSecretValue(word.padEnd(4, '*'), 'field') ? found : undefined;
}

function testAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}

function groupAt(pattern: RegExp, text: string, at: number, kind: string): Found | undefined {
  pattern.lastIndex = at;
  const value = pattern.exec(text)?.[1];
  if (value === undefined || isMask(value)) return undefined;
  // The group is the last part of each of these patterns.
  const end = pattern.lastIndex;
  return { start: end - value.length, end, kind };
}

function isUserAndPassword(base64: string): boolean {
  return /^[\x20-\x7e]{0,200}:[\x20-\x7e]{1,400}$/.test(
    Buffer.from(base64.slice(0, 800), 'base64').toString('latin1'),
  );
}
