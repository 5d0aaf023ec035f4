import type { Place } from './secret-value.ts';
import { quoteAt, skipBlanks } from './value-end.ts';

/** Before a name: the command that takes it and its value as two words. */
const LINE_CHARS_MAX = 80;

export interface Name {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** What a value of this name is. */
  readonly kind: string;
}

export interface Sign {
  /** Where the value begins. */
  readonly at: number;
  readonly place: Place;
  readonly text: string;
  /** The name was quoted, as in JSON. */
  readonly quoted: boolean;
}

export function signAfter(text: string, name: Name): Sign | undefined {
  let at = name.end;
  const close = quoteAt(text, at);
  if (close !== '') at += close.length;
  if (text[at] === ']') at += 1;
  // `**password**: X`, `**password:** X`.
  if (text[at] === '*' && text[at + 1] === '*') at += 2;
  const afterName = at;
  at = skipBlanks(text, at);
  const sign = /[:=+!]?={1,3}>?|[:\uff1a](?!:)(?:\*\*)?|=>|(?<= )->(?= )/y;
  sign.lastIndex = at;
  const found = sign.exec(text)?.[0];
  const quoted = close !== '';
  const typed = typedAfter(text, at);
  if (typed !== undefined) return { at: typed, text: '=', quoted, place: 'text' };
  if (found !== undefined) {
    const valueAt = skipBlanks(text, at + found.length);
    const tight = valueAt === afterName + found.length && found === '=';
    const place = placeOf(text, name, { tight, found, quoted });
    const begin =
      found === ':' ? startOfBlock(text, valueAt) : found === '=>' ? startOfDump(text, valueAt) : valueAt;
    return { at: startInMarkup(text, begin), text: found, quoted, place };
  }
  const marked = markupAfter(text, afterName, name);
  if (marked !== undefined) return { at: marked, text: '>', quoted, place: 'text' };
  const other = formAfter(text, afterName, { quoted, name });
  if (other !== undefined) return other;
  const element = elementAfter(text, afterName, name);
  if (element !== undefined) return { at: element, text: '>', quoted, place: quoted ? 'text' : 'setting' };
  // A list of pairs, as Docker and Kubernetes print their environment.
  if (at === afterName && text[at] !== '\t') {
    if (!/[,;\r\n]/.test(text[at] ?? '')) return undefined;
    return attributeAfter(text, at, name) ?? argumentAfter(text, at, { quoted, name });
  }
  return wordAfter(text, at, { name, afterName, quoted });
}

/** `apiKey: String = "X"`, `password string = "X"`: a type stands before the value. */
function typedAfter(text: string, at: number): number | undefined {
  const type =
    /(?:\??:[ \t]{0,4}|(?<=[ \t]))[&A-Za-z_][\w<>.?|&[\]]{0,40}(?: \| [A-Za-z]{1,20})?[ \t]{1,4}:?=[ \t]{1,4}(?=[b@]?["'`])/y;
  type.lastIndex = at;
  return type.test(text) ? type.lastIndex : undefined;
}

interface NameAndQuote {
  readonly name: Name;
  readonly quoted: boolean;
}

/** `setPassword("X")`, a field of a form in parts, a variable of Terraform. */
function formAfter(text: string, at: number, { name, quoted }: NameAndQuote): Sign | undefined {
  if (!quoted) {
    const call = /\([ \t]{0,2}(?=\\{0,15}["'])/y;
    call.lastIndex = at;
    const isSetter = /(?:^|\.)(?:set|with|add|put|use)[A-Z_]\w*$/i.test(name.text) && call.test(text);
    if (isSetter) return { at: call.lastIndex, text: ',', quoted, place: 'text' };
    // `std::string password("X");`, `PASSWORD('X')`, `apiKey{"X"}`, `(password . "X")`.
    const only = /(?:[({][ \t]{0,2}| \. )(?=(\\{0,15}["'])[^"'\s\\]{6,200}\1[ \t]{0,2}[)}])/y;
    only.lastIndex = at;
    if (only.test(text)) return { at: only.lastIndex, text: ',', quoted, place: 'text' };
    const field = /(?:\r?\n){2}/y;
    field.lastIndex = at;
    const isField = /form-data; name=$/.test(text.slice(Math.max(0, name.start - 24), name.start));
    return isField && field.test(text)
      ? { at: field.lastIndex, text: '=', quoted, place: 'setting' }
      : undefined;
  }
  const before = text.slice(Math.max(0, name.start - 24), name.start);
  const part = /(?:\r?\n){2}|(?:\\{1,8}r\\{1,8}n){2}/y;
  part.lastIndex = at;
  if (/\bname=\\{0,15}"$/.test(before) && part.test(text))
    return { at: part.lastIndex, text: '=', quoted, place: 'setting' };
  const variable = /\s{0,8}\{[^{}]{0,200}?\bdefault\s{0,20}=\s{0,8}(?=")/y;
  variable.lastIndex = at;
  return /\bvariable[ \t]{1,4}"$/.test(before) && variable.test(text)
    ? { at: variable.lastIndex, text: '=', quoted, place: 'text' }
    : undefined;
}

/** `password: |`, `password: >-`: the value stands in the next line. */
function startOfBlock(text: string, at: number): number {
  const block = /[|>][-+]?[ \t]{0,8}(?:\r?\n|\\{1,8}n)[ \t]{1,40}|(?:![!\w]{0,20}|&\w{1,20})[ \t]{1,4}/y;
  block.lastIndex = at;
  return block.test(text) ? block.lastIndex : at;
}

/** `["password"]=>`, and the value in the next line. */
function startOfDump(text: string, at: number): number {
  const line = /\r?\n[ \t]{1,40}(?=string\()/y;
  line.lastIndex = at;
  return line.test(text) ? line.lastIndex : at;
}

/** `<`, `*`, `~`. */
function isMarkup(code: number): boolean {
  return code === 60 || code === 42 || code === 126;
}

/** `<b>password:</b> X`, `*password:* X`, `password: <code>X</code>`. */
function startInMarkup(text: string, at: number): number {
  if (!isMarkup(text.charCodeAt(at))) return at;
  const marks =
    /(?:<\/[a-z]{1,10}>|[*~]{1,2}(?=[ \t])){1,2}[ \t]{0,4}(?:<[a-z]{1,10}>)?|<(?:b|i|em|strong|code|kbd|span)>/y;
  marks.lastIndex = at;
  return marks.test(text) ? marks.lastIndex : at;
}

/** `<b>password</b>: X`, `<td>password</td><td>X`, `*password*: X`. */
function markupAfter(text: string, at: number, { start }: Name): number | undefined {
  if (!isMarkup(text.charCodeAt(at))) return undefined;
  const marks =
    /(?:(?:<\/[a-z]{1,10}>|[*~]{1,2}){1,2}[ \t]?[:=]|(?:<\/[a-z]{1,10}>){1,2}\s{0,40}(?=<(?:td|dd)\b))[ \t]{0,4}(?:<[a-z]{1,10}(?: [^<>\n]{0,100})?>){0,2}/y;
  marks.lastIndex = at;
  return /[>*~ ]/.test(text[start - 1] ?? '') && marks.test(text) ? marks.lastIndex : undefined;
}

/** `<password>X</`, `<ns:password type="a">X</`, `<string name="password">X</`, `<key>password</key><string>X</`. */
function elementAfter(text: string, at: number, { start, end }: Name): number | undefined {
  const before = text.slice(Math.max(0, start - LINE_CHARS_MAX), start);
  const isTag = /<(?:[\w.-]{1,40}:)?$/.test(before) && at === end;
  if (text[at] === '>') {
    const isNamed = isTag || /<[\w.:-]{1,40} [^<>]{0,40}(?:name|key|id)=\\{0,15}["']$/i.test(before);
    if (isNamed && isElement(text, at + 1)) return at + 1;
    const value = />\s{0,40}<(?:string|value|Value|String)>/y;
    value.lastIndex = at;
    return isNamed && value.test(text) && isElement(text, value.lastIndex) ? value.lastIndex : undefined;
  }
  const tag = isTag
    ? /[ \t][\w.:-]{1,40}=[^<>\r\n]{0,200}>/y
    : /(?:<\/(?:key|name|Key|Name)>|[ \t][^<>\r\n]{0,80}>)\s{0,40}<(?:string|value|Value|String)>/y;
  tag.lastIndex = at;
  return tag.test(text) && isElement(text, tag.lastIndex) ? tag.lastIndex : undefined;
}

/** The second text of a pair, and its end. */
const PAIR_END = /^(\\{0,15}["'])[^"'\s\\]{6,200}\1[ \t]{0,2}[)\]]/;

/** `setenv("TOKEN", "X")`, `header('X-Api-Key', 'X')`. */
function argumentAfter(
  text: string,
  at: number,
  { quoted, name }: { readonly quoted: boolean; readonly name: Name },
): Sign | undefined {
  const argument = /,[ \t]{0,4}(?=\\{0,15}["'])/y;
  argument.lastIndex = at;
  if (!argument.test(text)) return undefined;
  // `["--password", "X"]`, `{password, "X"}`.
  const isItem = quoted ? name.text.startsWith('-') : text[name.start - 1] === '{';
  if (isItem) return { at: argument.lastIndex, text: ',', quoted, place: 'text' };
  if (!quoted) return undefined;
  const before = text.slice(Math.max(0, name.start - 24), name.start).replace(/\\{0,15}["']$/, '');
  // `('password', 'X')`: nothing else stands in the brackets.
  const isPair =
    /[([]$/.test(before) && PAIR_END.test(text.slice(argument.lastIndex, argument.lastIndex + 240));
  return isPair || /[\w$]\($/.test(before)
    ? { at: argument.lastIndex, text: ',', quoted, place: 'text' }
    : undefined;
}

/** Commands that take a name and its value as two words. */
const COMMANDS =
  /(?:^|[^A-Za-z0-9_])(?:ENV|ARG|#[ \t]{0,4}define|setx|[Ss]et[Ee]nv|login\s+\S+|set\s+-[A-Za-z]{1,4}|git config(?: --\w{1,20})?|(?:npm|yarn|pnpm) (?:config )?set|aws configure set|config:set|config set|variable set)\s+\S{0,60}$/;

interface After {
  readonly name: Name;
  readonly afterName: number;
  readonly quoted: boolean;
}

/** `--token X`, `ENV TOKEN X`, `login me password X`, `PASSWORD 'X'`, `| password | X |`, "the password is X". */
function wordAfter(text: string, at: number, { name, afterName, quoted }: After): Sign | undefined {
  const line = text.slice(Math.max(0, name.start - LINE_CHARS_MAX), name.start).replaceAll(/\\[nrt]/g, '\n');
  const isFlag = name.text.startsWith('-') && !quoted;
  if (isFlag) return { at, text: '--', quoted, place: at === afterName + 1 ? 'setting' : 'text' };
  if (COMMANDS.test(line)) return { at, text: ' ', quoted, place: 'text' };
  const option = /(?:--body|-b|--value|-v|--plaintext|--from-literal)[ =]/y;
  option.lastIndex = at;
  if (/(?:secret|variable|parameter|env) (?:set|add|create|put) $/.test(line) && option.test(text)) {
    return { at: option.lastIndex, text: ' ', quoted, place: 'text' };
  }
  const level = /[05789] (?=\S)/y;
  level.lastIndex = at;
  // `enable password 7 X` of a router.
  if (level.test(text)) return { at: level.lastIndex, text: ' ', quoted, place: 'prose' };
  const mark =
    /\|[ \t]{1,40}|(?:(?:for|of)[ \t]\S{1,80}?(?::|[ \t](?:is|was):?)|(?:is|was|are):?|(?:is |was )?(?:now |changed |re)?set to:?)[ \t]{1,4}(?:now |set to |still )?/y;
  mark.lastIndex = at;
  const isCell = /\|[ \t]{1,4}[`"']?$/.test(line);
  if (mark.test(text) && (text[at] === '|') === isCell) {
    return { at: mark.lastIndex, text: isCell ? '|' : 'is', quoted, place: 'prose' };
  }
  if (text[afterName] === '\t' && !quoted) return { at, text: '\t', quoted, place: 'prose' };
  const pair = attributeAfter(text, at, name);
  if (pair !== undefined) return pair;
  // "with the password X", "token (X)", `enable secret X`.
  if (quoteAt(text, at) === '' || !/passw(?:or)?d$/i.test(name.text) || quoted)
    return { at: text[at] === '(' ? at + 1 : at, text: ' ', quoted, place: 'prose' };
  // In SQL. In prose a word and a quotation stand so.
  return { at, text: ' ', quoted, place: 'text' };
}

/** Its end follows, or none in this line: in C++ and TypeScript more than a name stands so. */
function isElement(text: string, at: number): boolean {
  const value = /(?:(?:<!\[CDATA\[)?[^<>\r\n]{1,512}(?:\]\]>)?<\\{0,15}(?:\/|$)|(?![@([])[^<>\r\n]{1,512}$)/y;
  value.lastIndex = at;
  return value.test(text);
}

/** `<add key="ApiKey" value="X" />`, `name: api_key, value: X`, `{"name": "API_KEY", "value": "X"}`. */
function attributeAfter(text: string, at: number, name: Name): Sign | undefined {
  const pair = /[,;]?(?:\s|\\{1,8}[nrt]){0,24}\\{0,15}["']?value\\{0,15}["']?\s{0,4}[:=]\s{0,4}/iy;
  pair.lastIndex = at;
  return pair.test(text)
    ? { at: pair.lastIndex, text: 'value', quoted: name.kind === '', place: 'text' }
    : undefined;
}

interface Form {
  readonly tight: boolean;
  readonly found: string;
  readonly quoted: boolean;
}

function placeOf(text: string, name: Name, { tight, found, quoted }: Form): Place {
  const before = beforeName(text, name);
  if (
    found === ':' &&
    /^(?:(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]{3,40}|private-token|(?:[a-z-]{0,20}-)?api-key)$/i.test(
      name.text.replace(/^[-.]+/, ''),
    )
  ) {
    return quoted ? 'text' : 'setting';
  }
  if (!tight) return 'text';
  if (before === '?' || before === '&') return 'setting';
  const isUpper = name.text === name.text.toUpperCase();
  if (isUpper || name.text.startsWith('-')) return 'setting';
  if (/^(?:Password|Pwd|AccountKey|SharedAccessKey)$/.test(name.text) && (before === ';' || before === '"'))
    return 'setting';
  if (before !== '\n' && before !== ';' && before !== '\r') return 'text';
  return 'setting';
}

/** The quotation mark that stands directly before a name, with its backslashes. */
export function markBefore(text: string, { start }: Name): string {
  return /\\{0,15}["'`]$/.exec(text.slice(Math.max(0, start - 16), start))?.[0] ?? '';
}

/** The character before a name. The letter of an escaped line break counts as the line break. */
export function beforeName(text: string, { start }: Name): string {
  return /\\[nrt]$/.test(text.slice(Math.max(0, start - 2), start)) ? '\n' : (text[start - 1] ?? '\n');
}
