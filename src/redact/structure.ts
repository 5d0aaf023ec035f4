import { isJsonObject } from '../model/json.ts';
import { formIn } from './find.ts';
import { JWK_SECRETS } from './jwk.ts';
import { isMask, maskOf } from './mask.ts';
import { secretNamed } from './names.ts';
import { isSecretValue, isStrong, looksRandom } from './secret-value.ts';

/** Masks a plain string. */
type MaskText = (text: string) => string;

/** Fields that hold the name of a pair, and those that hold its value: OTLP attributes, headers, environments, form fields. */
const NAME_FIELDS: ReadonlySet<string> = new Set([
  'key',
  'name',
  'Key',
  'Name',
  'k',
  'field',
  'header',
  'variable',
  'parameter',
  'param',
]);
const VALUE_FIELDS: ReadonlySet<string> = new Set(['value', 'Value', 'v', 'val', 'values', 'default']);

/** Names of headers, which stand before their values in one list: `rawHeaders` of Node. */
const HEADER =
  /^(?:(?:proxy-)?authorization|(?:set-)?cookie|private-token|(?:x-)?[a-z-]{0,30}(?:api-?key|token|secret|password))$/i;

/** A program uses few field names; the bound protects against one that generates them. */
const NAMES_MAX = 4_000;
const NAME_CHARS_MAX = 64;

/** Field names in which nothing is to be masked. */
const plainNames = new Set<string>();

/** What is to be masked has changed. */
export function forgetNames(): void {
  plainNames.clear();
}

function maskedName(name: string, maskText: MaskText): string {
  if (plainNames.has(name)) return name;
  const masked = maskText(name);
  if (masked !== name || name.length > NAME_CHARS_MAX) return masked;
  if (plainNames.size >= NAMES_MAX) plainNames.clear();
  plainNames.add(name);
  return name;
}

/** A JSON value with all its secrets masked: in strings, in names, and after a name. The same one where nothing is masked. */
export function maskedValue(value: unknown, maskText: MaskText): unknown {
  if (typeof value === 'string') return maskText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return maskedList(value, maskText);
  return maskedFields(value as Readonly<Record<string, unknown>>, maskText);
}

function maskedFields(value: Readonly<Record<string, unknown>>, maskText: MaskText): unknown {
  const names = Object.keys(value);
  const pair = names.some((name) => NAME_FIELDS.has(name)) ? pairKind(value) : undefined;
  const isKey = typeof value.kty === 'string';
  let copy: [name: string, item: unknown][] | undefined;
  for (const name of names) {
    const item = value[name];
    const kind =
      isKey && JWK_SECRETS.has(name)
        ? 'private-key'
        : (secretNamed(name) ?? (pair !== undefined && VALUE_FIELDS.has(name) ? pair : undefined));
    const masked = kind === undefined ? maskedValue(item, maskText) : maskedNamed(item, kind, maskText);
    const nameMasked = maskedName(name, maskText);
    if (copy === undefined && masked === item && nameMasked === name) continue;
    copy ??= names.slice(0, names.indexOf(name)).map((before) => [before, value[before]]);
    copy.push([nameMasked, masked]);
  }
  // `fromEntries` keeps a field named `__proto__`, which an assignment would lose.
  return copy === undefined ? value : Object.fromEntries(copy);
}

/** The value of a field whose name is that of a secret. Numbers and truth values stay. */
export function maskedNamed(value: unknown, kind: string, maskText: MaskText): unknown {
  if (typeof value === 'string') return maskedString(value, kind, maskText);
  if (Array.isArray(value)) return value.map((item) => maskedNamed(item, kind, maskText));
  if (!isJsonObject(value)) return value;
  if (isAnyValue(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, maskedNamed(item, kind, maskText)]),
    );
  }
  // An object with more fields: only what looks like a secret, since others describe it.
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      const own = secretNamed(name);
      if (own !== undefined) return [maskText(name), maskedNamed(item, own, maskText)];
      const isSecret = typeof item === 'string' && looksRandom(item);
      return [maskText(name), isSecret ? maskedString(item, kind, maskText) : maskedValue(item, maskText)];
    }),
  );
}

/** `#d8dee9`: the value of a field that a theme calls `token`. */
const COLOUR = /^#[0-9a-f]{3,8}$/i;

/** The mask of a value after a name. Says the form where the value has one, and keeps a header's method. */
export function maskedString(value: string, kind: string, maskText: MaskText): string {
  if (kind === 'authorization') {
    const scheme =
      /^(?:basic|bearer|token|digest|apikey|negotiate|ntlm|dpop|hawk|ssws|aws4-hmac-sha256|oauth)[ \t]+/i.exec(
        value,
      )?.[0] ?? '';
    const rest = value.slice(scheme.length);
    if (scheme !== '' && isSecretValue(rest, 'field'))
      return scheme + maskOf(formIn(rest.slice(0, 512)) ?? kind);
  }
  if (!isSecretValue(value, 'field') || (kind === 'token' && COLOUR.test(value))) return maskText(value);
  const text = maskText(value);
  // What the rules mask as a whole says more than the name. Where they leave something, the name masks all.
  return isWholeMask(text) ? text : maskOf(kind);
}

function isWholeMask(text: string): boolean {
  return isMask(text) && text.indexOf(']') === text.length - 1;
}

/** An OTLP AnyValue, or the one field of a wrapper. */
function isAnyValue(value: object): boolean {
  const names = Object.keys(value);
  return (
    names.length === 1 &&
    /^(?:stringValue|arrayValue|values|kvlistValue|bytesValue|value|string_value|S|text|plain)$/.test(
      names[0] ?? '',
    )
  );
}

/** What the value of a pair is: `{"name": "api_key", "value": "..."}`. */
function pairKind(value: object): string | undefined {
  for (const field of NAME_FIELDS) {
    const name: unknown = Reflect.get(value, field);
    if (typeof name !== 'string' || !Object.hasOwn(value, field)) continue;
    const kind = secretNamed(name.replace(/^--?/, ''));
    if (kind !== undefined) return kind;
  }
  return undefined;
}

function maskedList(list: readonly unknown[], maskText: MaskText): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (const [index, item] of list.entries()) {
    const kind = typeof item === 'string' ? kindBefore(list, index) : pairItemKind(list, index);
    const masked = kind === undefined ? maskedValue(item, maskText) : maskedNamed(item, kind, maskText);
    if (copy === undefined && masked === item) continue;
    copy ??= list.slice(0, index);
    copy.push(masked);
  }
  return copy ?? list;
}

/** `["authorization", ["..."]]`. */
function pairItemKind(list: readonly unknown[], index: number): string | undefined {
  const name = list[0];
  return index === 1 && list.length === 2 && typeof name === 'string' && Array.isArray(list[1])
    ? secretNamed(name)
    : undefined;
}

/** What the string before in the list makes of this one: an option, a header, or the name of a pair. */
function kindBefore(list: readonly unknown[], index: number): string | undefined {
  const name = list[index - 1];
  const value = list[index];
  if (typeof name !== 'string' || typeof value !== 'string' || name.length > 128) return undefined;
  if (
    /^(?:-u|--user|--proxy-user)$/.test(name) &&
    list.some((item) => typeof item === 'string' && /(?:^|\/)(?:curl|wget|https?)$/.test(item))
  ) {
    return /^[^:\s]*:\S{2,}/.test(value) ? 'password' : undefined;
  }
  if (/^--?[a-zA-Z]/.test(name)) {
    return value.startsWith('-') ? undefined : secretNamed(name.replace(/^--?/, ''));
  }
  const isPair = list.length === 2 && index === 1;
  const isHeader = index % 2 === 1 && list.length % 2 === 0 && HEADER.test(name);
  if (!isPair && !isHeader) return undefined;
  if ((secretNamed(value) !== undefined && !isStrong(value)) || (!isHeader && /^[a-z_-]{1,20}$/i.test(value)))
    return undefined;
  return secretNamed(name);
}
