import { COMMAND_SCHEMES, isWritten, type Scheme } from './command-line.ts';
import { findInputValue } from './input-element.ts';
import { type Found, isMask } from './mask.ts';
import { looksRandom } from './secret-value.ts';

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

/** Shorter ones are examples, as of settings. */
const URL_PASSWORD_CHARS_MIN = 4;

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
  { hints: ['<input '], find: (text, _start, end) => findInputValue(text, end), mayStand: always },
  ...COMMAND_SCHEMES,
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
