import type { Found } from './mask.ts';
import { secretNamed } from './names.ts';
import { isChosen, isChosenWord, isSecretValue, isStrong } from './secret-value.ts';
import { BLANKS_MAX, endOfLine, endOfQuoted, endOfWord, isClosed, quoteAt } from './value-end.ts';
import { beforeName, markBefore, type Name, type Sign, signAfter } from './value-sign.ts';
import { startOfValue } from './value-start.ts';
import { codesOf, isNameCode, isWordCode } from './words.ts';

/** The longest name: a longer run of letters is data. */
const NAME_CHARS_MAX = 80;

/** Decides about a value. Longer ones are read to their end only when they are masked, so that the time stays linear. */
const HEAD_CHARS_MAX = 512;

/** From the start of a map to a name in it. */
const MAP_CHARS_MAX = 300;

/** Methods of the Authorization header, whose name stays. */
const SCHEME =
  /(?:basic|bearer|token|digest|apikey|api-key|negotiate|ntlm|dpop|hawk|ssws|key|aws4-hmac-sha256|oauth|pve[a-z]*token=?)[ \t:]+(?:token=["']?)?/iy;

/** The secret after a name; undefined when there is none. */
export function findNamed(text: string, name: Name): Found | undefined {
  const sign = signAfter(text, name);
  if (sign === undefined || isWorkingDirectory(text, name, sign) || isPartOfPath(text, name, sign))
    return undefined;
  return valueAt(text, name, sign);
}

/** `PWD=/srv/app` and `OLDPWD=/srv`, as `env` prints them. In the settings of a database the name has small letters. */
function isWorkingDirectory(text: string, name: Name, sign: Sign): boolean {
  const path = /["']?(?:[/~]|[A-Za-z]:[\\/])/y;
  path.lastIndex = sign.at;
  return /^(?:OLD)?PWD$/.test(name.text) && sign.text === '=' && path.test(text);
}

/** `arn:aws:secretsmanager:eu-west-1:1234:secret:`, up to the name. */
const RESOURCE = /arn:[a-z-]{1,20}:[a-z0-9-]{1,40}:[a-z0-9-]{0,40}:\d{0,12}:$/;

/** Not the name of a value but part of that of a type, `"AWS::IAM::AccessKey": ...`, or of a resource. */
function isPartOfPath(text: string, { start }: Name, sign: Sign): boolean {
  if (text[start - 1] !== ':' || !sign.text.startsWith(':')) return false;
  if (sign.quoted && /[A-Za-z0-9]::$/.test(text.slice(Math.max(0, start - 3), start))) return true;
  return RESOURCE.test(text.slice(Math.max(0, start - 144), start));
}

/** The name that contains the hint at `at`. The kind is undefined when it is that of no secret. */
export function nameAround(
  text: string,
  at: number,
  from: number,
): Omit<Name, 'kind'> & { readonly kind: string | undefined } {
  let start = at;
  const lowest = Math.max(from, at - NAME_CHARS_MAX);
  while (start > lowest && isNamePart(text.charCodeAt(start - 1), true)) start -= 1;
  // The letter of an escaped line break: `\nPASSWORD=...`.
  if (start > 0 && start < at && text[start - 1] === '\\' && /[nrt]/.test(text[start] ?? '')) start += 1;
  let end = at;
  const highest = Math.min(text.length, at + NAME_CHARS_MAX);
  while (end < highest && isNamePart(text.charCodeAt(end), false)) end += 1;
  // `API key: X`: the word before says which.
  if (
    start === at &&
    /^keys?$/i.test(text.slice(start, Math.min(end, start + 5))) &&
    text[start - 1] === ' ' &&
    /[:=`"' ]/.test(text[end] ?? '')
  ) {
    while (start > lowest && at - start < 16 && (start === at || isWordCode(text.charCodeAt(start - 1))))
      start -= 1;
  }
  const raw = text.slice(start, end);
  // `-Dpassword=` of Java, `-Ppassword=` of Gradle.
  const kind =
    secretNamed(withoutSigns(raw)) ?? (/^-[DP][a-z]/.test(raw) ? secretNamed(raw.slice(2)) : undefined);
  return { start, end, kind, text: raw };
}

function withoutSigns(raw: string): string {
  const first = raw.charCodeAt(0);
  return first === 45 || first === 46 ? raw.replace(/^[-.]+/, '') : raw;
}

/** Before a `key` that may be part of a name: not the `key` of a pair in JSON, which each attribute of a record has. */
export const BEFORE_KEY: Uint8Array = codesOf('[A-Za-z0-9_. -]');

/** A word before it, also in `api.key` and in `API key: `. */
export function mayBeKey(text: string, start: number): boolean {
  const before = text.charCodeAt(start - 1);
  return isNameCode(before) || before === 46 || (before === 32 && /[:=`"' ]/.test(text[start + 3] ?? ''));
}

/** What names consist of. A dot (2) only stands before their end. */
const NAME_PARTS: Uint8Array = codesOf('[A-Za-z0-9_-]').map((is, code) => (code === 46 ? 2 : is));

function isNamePart(code: number, withDot: boolean): boolean {
  const part = NAME_PARTS[code];
  return part === 1 || (withDot && part === 2);
}

function valueAt(text: string, name: Name, sign: Sign): Found | undefined {
  const begin = startOfValue(text, sign.at);
  const quote = quoteAt(text, begin);
  const start = begin + quote.length;
  // `"PASSWORD=" + value`: the mark ends what began before the name.
  const isEnd = quote !== '' && sign.text === '=' && !sign.quoted && quote === markBefore(text, name);
  if (isEnd && !/[A-Za-z0-9]/.test(text[start] ?? '')) return undefined;
  if (sign.place !== 'field' && isReference(text, start)) return undefined;
  if (isHeader(name) && sign.place !== 'prose') return headerValue(text, { name, sign, start, quote });
  const isWord = quote === '' || isCut(text, start, quote);
  const endWithin = (max: number): number =>
    isWord
      ? endOfWord(text, start, { isLoose: isLoose(sign), max })
      : endOfQuoted(text, start, { quote, max });
  const end = endWithin(HEAD_CHARS_MAX);
  const value = text.slice(start, end);
  const found = { start, end, kind: name.kind };
  if (sign.place === 'text' && isItsName(name.text, value)) return undefined;
  if (
    quote === '' ? !isUnquotedSecret(text, found, { name, sign }) : !isQuotedSecret(value, found.kind, sign)
  )
    return undefined;
  return { start, end: whole(start, end, endWithin), kind: name.kind };
}

/** A quotation of several words without its end on the line: `password: 'X... was refused`. */
function isCut(text: string, start: number, quote: string): boolean {
  const end = endOfQuoted(text, start, { quote, max: HEAD_CHARS_MAX });
  if (end - start >= HEAD_CHARS_MAX - 1 || isClosed(text, end, quote)) return false;
  return /\s/.test(text.slice(start, end));
}

/** `tokenForRefresh = "token_for_refresh"`, `exports.SecretV4 = SecretV4`. */
function isItsName(name: string, value: string): boolean {
  if (value.length < 8 || value.length > NAME_CHARS_MAX || !/^[A-Za-z_][\w.-]*$/.test(value)) return false;
  const plain = (text: string): string => text.replace(/[^A-Za-z0-9]/g, '').toLowerCase();
  return plain(name).includes(plain(value.slice(value.lastIndexOf('.') + 1)));
}

function isQuotedSecret(value: string, kind: string, sign: Sign): boolean {
  if (isSecretValue(value, sign.place)) return true;
  if (!isAssignment(sign)) return false;
  // As in JSON: data, no source code.
  const isData = sign.quoted && kind === 'password' && /[0-9!#%^*?~+=]/.test(value);
  return isChosen(value, kind) || (isData && isSecretValue(value, 'setting'));
}

/** Not a comparison, as in `if (password === 'x')`. */
function isAssignment({ text }: Sign): boolean {
  return text === '=' || text === ':' || text === '=>' || text === ':=' || text === 'value';
}

function isUnquotedSecret(
  text: string,
  { start, end, kind }: Found,
  { name, sign }: { readonly name: Name; readonly sign: Sign },
): boolean {
  const value = text.slice(start, end);
  if (sign.text !== '>' && isCode(text, end, sign, value) && !isInMap(text, name, sign))
    return isWordOfSetting(text, { start, end, kind }, { name, sign });
  return isSecretValue(value, sign.place) || isWordOfSetting(text, { start, end, kind }, { name, sign });
}

function isLoose(sign: Sign): boolean {
  return (sign.text !== '=' || sign.place === 'text') && sign.text !== '>';
}

/** `map[user:app password:X]`, as Go prints it. */
function isInMap(text: string, { start }: Name, { text: sign }: Sign): boolean {
  if (sign !== ':') return false;
  const lowest = Math.max(0, start - MAP_CHARS_MAX);
  for (let at = start - 1; at >= lowest; at -= 1) {
    const code = text.charCodeAt(at);
    if (code === 91) return text.startsWith('map', at - 3);
    if (code === 93) return false;
  }
  return false;
}

/** `password=correcthorse`, `password: correcthorse`: a word in a form that source code does not have. */
function isWordOfSetting(
  text: string,
  { start, end, kind }: Found,
  { name, sign }: { readonly name: Name; readonly sign: Sign },
): boolean {
  if (!isAssignment(sign) || !isChosenWord(text.slice(start, end), kind)) return false;
  const after = text.slice(end, end + 3);
  // "First pass: collect the names".
  if (/^pass$/i.test(name.text) && /[A-Za-z] $/.test(text.slice(Math.max(0, name.start - 2), name.start)))
    return false;
  if (sign.text === '=' && start === name.end + 1) {
    return /^(?:$|[\s"'`&|;\\]|\.(?:\s|$))/.test(after) && !/[.\w$]/.test(beforeName(text, name));
  }
  return sign.text === ':' && /^(?:$|[\r\n"'`\\]|\.(?:\s|$)| [a-z|])/.test(after);
}

/** `$NAME`, `${NAME}`, `{{ name }}`: known from the first characters. */
function isReference(text: string, at: number): boolean {
  const reference = /\$[A-Za-z_{(]|\{\{|\$\{/y;
  reference.lastIndex = at;
  return reference.test(text);
}

/** The end of a value that is masked: that of its head, unless the head was cut. */
function whole(start: number, end: number, endWithin: (max: number) => number): number {
  return end - start < HEAD_CHARS_MAX - 1 ? end : endWithin(Number.POSITIVE_INFINITY);
}

function isHeader({ kind }: Name): boolean {
  return kind === 'authorization' || kind === 'cookie';
}

interface Value {
  readonly name: Name;
  readonly sign: Sign;
  readonly start: number;
  readonly quote: string;
}

/** A header's value has blanks. A method's name stays before it. */
function headerValue(text: string, value: Value): Found | undefined {
  return value.name.kind === 'cookie' ? cookieValue(text, value) : authorizationValue(text, value);
}

/** Pairs of a name and a value. The rest of the line is masked with the first. */
function cookieValue(text: string, { start, quote }: Value): Found | undefined {
  const pair =
    /(?:[\w.%-]{1,80}=[^\s;,"'`<>(){}\\$]{0,5}; ?){0,20}(?!(?:path|domain|expires|max-age|samesite|version|comment)=)[\w.%-]{1,80}=(?!\[redacted|[$<{]|[\w.]{1,80}\()[^\s;,"'`<>(){}\\]{6,}/iy;
  pair.lastIndex = start;
  if (!pair.test(text) && !isStrong(text.slice(start, endOfWord(text, start, { isLoose: true, max: 200 }))))
    return undefined;
  const end =
    quote === ''
      ? endOfLine(text, start, Number.POSITIVE_INFINITY)
      : endOfQuoted(text, start, { quote, max: Number.POSITIVE_INFINITY });
  return { start, end: quote === '' ? trimmedEnd(text, start, end) : end, kind: 'cookie' };
}

function authorizationValue(text: string, { name, sign, start, quote }: Value): Found | undefined {
  SCHEME.lastIndex = start;
  const scheme = SCHEME.exec(text)?.[0];
  const from = start + (scheme?.length ?? 0);
  const isLine = scheme !== undefined && /^(?:digest|hawk|oauth|aws4)/i.test(scheme);
  const endWithin = (max: number): number => {
    if (quote !== '') return endOfQuoted(text, from, { quote, max });
    return isLine ? endOfPairs(text, from, max) : endOfWord(text, from, { isLoose: isLoose(sign), max });
  };
  const end = endWithin(HEAD_CHARS_MAX);
  const value = text.slice(from, end);
  if (!isAuthorization(value, scheme, isLine)) return undefined;
  if (scheme === undefined && quote === '' && isCode(text, end, sign, value)) return undefined;
  const last = whole(from, end, endWithin);
  return { start: from, end: isLine && quote === '' ? trimmedEnd(text, from, last) : last, kind: name.kind };
}

/** The end of `username="bob", response="X"`, or of the line. */
function endOfPairs(text: string, start: number, max: number): number {
  const pair = /[\w-]{1,40}=\\{0,7}"[^"\r\n]{0,2000}"(?:[ \t]{0,4},[ \t]{0,4})?/y;
  let at = start;
  for (pair.lastIndex = at; pair.test(text) && at < start + max; ) at = pair.lastIndex;
  return at > start ? Math.min(at, start + max) : endOfLine(text, start, max);
}

function isAuthorization(value: string, scheme: string | undefined, isLine: boolean): boolean {
  if (isLine) return /\w=["']?[^\s$<{]{6,}/.test(value) && !value.startsWith('[redacted');
  if (scheme === undefined) return isSecretValue(value, 'text');
  return isSecretValue(value, 'setting') && hasDigitOrCapital(value);
}

function hasDigitOrCapital(value: string): boolean {
  return /[A-Z0-9+/=]/.test(value);
}

function trimmedEnd(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && /[\s,)\]}]/.test(text[at - 1] ?? '')) at -= 1;
  return at;
}

/** An unquoted value of source code: an expression that goes on after its first word. */
function isCode(text: string, end: number, sign: Sign, value: string): boolean {
  const next = text[end] ?? '\n';
  if (next === '(' || next === '[' || next === '{' || next === '<') return true;
  if (/[([{]/.test(value) && !/[!@#%^&*]/.test(value)) return true;
  if (sign.place === 'setting' || isStrong(value)) return false;
  if (/^[!~]|^[\w$.]+[-+*/%][\w$.]+$/.test(value) && !/\d{2}/.test(value)) return true;
  if (sign.text === ':' && /^[A-Z][a-z]?[A-Za-z]*\d?[A-Za-z]*$/.test(value)) return true;
  const isWord = /^[A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$][\w$]*)*$/.test(value);
  if (!isWord) return false;
  if (/[;,).:?]/.test(next)) return true;
  const after = text.slice(end, end + BLANKS_MAX);
  if (/^[ \t]*[-+*/%&|?=<>!.,;:)\]}{([]/.test(after)) return true;
  return !/\d/.test(value) && /^[ \t]*\b(?:if|else|or|and|in|is|as|for)\b/.test(after);
}
