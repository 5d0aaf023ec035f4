import { createHmac, type KeyObject, sign } from 'node:crypto';
import type { Sender } from './compiled-sender.ts';
import { parsePath } from './payload-path.ts';
import type { Scheme } from './scheme.ts';
import { signedBytes } from './signed-text.ts';

export interface SampleRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Empty, or `?name=value`. */
  readonly query: string;
}

/** A request as a sender makes it. */
export interface SampleDelivery {
  readonly sent: SampleRequest;
  /** The same without a secret, which a token is. */
  readonly shown: SampleRequest;
}

export interface SampleOptions {
  /** The text of a person. */
  readonly text: string;
  /** The id of the delivery and of its comment: a repeated one starts nothing. */
  readonly id: string;
  readonly nowMs: number;
  /** Of Ed25519: the settings hold the public key only. */
  readonly privateKey?: KeyObject | undefined;
}

/** The author of the text. */
const AUTHOR = 'tasktrail-webhook';

const HIDDEN = '(secret)';

interface Draft {
  readonly payload: Record<string, unknown>;
  readonly headers: Map<string, string>;
}

/** A delivery that passes the sender's filters and says `text`, signed. Undefined without the private key that it needs. */
export function sampleDelivery(sender: Sender, options: SampleOptions): SampleDelivery | undefined {
  const [scheme] = sender.schemes;
  if (scheme === undefined || (scheme.keys.kind === 'ed25519' && options.privateKey === undefined))
    return undefined;
  const draft: Draft = { payload: {}, headers: new Map([['Content-Type', 'application/json']]) };
  fillFields(sender, draft, options);
  const seconds = String(Math.floor(options.nowMs / 1_000));
  fillSignedParts(scheme, draft, { id: options.id, seconds });
  const entry = signatureOf(scheme, draft, { ...options, seconds, body: bodyOf(sender, draft.payload) });
  const sent = placed(sender, scheme, draft, entry);
  const { keys, prefix } = scheme;
  if (keys.kind === 'token') return { sent, shown: placed(sender, scheme, draft, prefix + HIDDEN) };
  if (keys.kind === 'basic') return { sent, shown: placed(sender, scheme, draft, `Basic ${HIDDEN}`) };
  return { sent, shown: sent };
}

/** The request with this text in the place of the signature. */
function placed(
  sender: Sender,
  { place }: Scheme,
  { headers, payload }: Draft,
  entry: string,
): SampleRequest {
  if (place.kind === 'header') headers.set(place.name, entry);
  else if (place.kind === 'field') setAt(payload, place.path, entry);
  return {
    headers: Object.fromEntries(headers),
    body: bodyOf(sender, payload),
    query: place.kind === 'query' ? `?${encodeURIComponent(place.name)}=${encodeURIComponent(entry)}` : '',
  };
}

function fillFields(
  { options, paths }: Sender,
  { payload, headers }: Draft,
  { text, id }: SampleOptions,
): void {
  for (const [field, values] of Object.entries(options.only ?? {})) {
    const path = ['event', 'action', 'author', 'bot'].includes(field) ? undefined : parsePath(field);
    if (path !== undefined) setAt(payload, path, plain(values));
  }
  const events = options.only?.event ?? [];
  // Several paths are joined with dots: the value with as many parts fills all of them.
  const whole = events.find((value) => String(value).split('.').length === paths.eventType.length);
  const event = plain(whole === undefined ? events : [whole]) ?? 'try';
  if (options.eventTypeHeader !== undefined) headers.set(options.eventTypeHeader, String(event));
  const parts = paths.eventType.length > 1 && whole !== undefined ? String(event).split('.') : [event];
  for (const [index, part] of parts.entries()) setAt(payload, paths.eventType[index], part);
  setAt(payload, paths.action[0], plain(options.only?.action ?? []));
  setAt(payload, paths.author[0], plain(options.only?.author ?? []) ?? AUTHOR);
  setAt(payload, paths.bot[0], plain(options.only?.bot ?? []));
  setAt(payload, paths.deliveryId[0], id);
  const idHeader = [options.deliveryIdHeader ?? []].flat()[0];
  if (idHeader !== undefined) headers.set(idHeader, id);
  for (const path of paths.identity) if (!isSet(payload, path)) setAt(payload, path, id);
  setAt(payload, paths.message[0], text);
}

/** A value of a filter: not a missing field, and without the wildcards. */
function plain(values: readonly (string | number | boolean)[]): string | number | boolean | undefined {
  const value = values.find((one) => one !== '');
  return typeof value === 'string' ? value.replaceAll('*', '') : value;
}

function fillSignedParts(
  { parts, timestamp }: Scheme,
  { payload, headers }: Draft,
  { id, seconds }: { readonly id: string; readonly seconds: string },
): void {
  if (timestamp?.kind === 'header') headers.set(timestamp.name, seconds);
  if (timestamp?.kind === 'field') setAt(payload, timestamp.path, Number(seconds));
  const names = [...headers.keys()].map((name) => name.toLowerCase());
  for (const part of parts) {
    if (part.kind === 'header' && !names.includes(part.name)) headers.set(part.name, id);
    if (part.kind === 'field' && !isSet(payload, part.path)) setAt(payload, part.path, id);
  }
}

/** The text that stands in the place of the signature. */
function signatureOf(
  scheme: Scheme,
  { payload, headers }: Draft,
  { seconds, id, body, privateKey }: SampleOptions & { readonly seconds: string; readonly body: string },
): string {
  const { keys, prefix, encoding, timestamp, separator } = scheme;
  if (keys.kind === 'token') return prefix + (keys.secrets[0] ?? '');
  if (keys.kind === 'basic') return `Basic ${Buffer.from(`tasktrail:${keys.secrets[0]}`).toString('base64')}`;
  const lower = Object.fromEntries([...headers].map(([name, value]) => [name.toLowerCase(), [value]]));
  const pieces =
    signedBytes(scheme.parts, {
      headers: lower,
      body: Buffer.from(body),
      payload: () => payload,
      url: scheme.url,
      id,
      timestamp: seconds,
    }) ?? [];
  const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  const signature =
    keys.kind === 'hmac'
      ? createHmac(keys.algorithm, keys.keys[0] ?? '')
          .update(bytes)
          .digest(encoding)
      : sign(null, bytes, privateKey ?? '').toString(encoding);
  const time = timestamp?.kind === 'entry' ? `${timestamp.prefix}${seconds}${separator}` : '';
  return `${time}${prefix}${signature}`;
}

function bodyOf({ paths: { events } }: Sender, payload: object): string {
  if (events === undefined) return JSON.stringify(payload);
  const whole: Record<string, unknown> = {};
  setAt(whole, events, [payload]);
  return JSON.stringify(events.length === 0 ? [payload] : whole);
}

function isSet(payload: object, path: readonly string[]): boolean {
  let at: unknown = payload;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return false;
    at = Reflect.get(at, name);
  }
  return true;
}

/** Sets a value at a path, with lists where the path has numbers. An undefined path or value changes nothing. */
function setAt(payload: object, path: readonly string[] | undefined, value: unknown): void {
  const last = path?.at(-1);
  if (path === undefined || last === undefined || value === undefined) return;
  let at = payload;
  for (const [index, name] of path.slice(0, -1).entries()) {
    const next: unknown = Object.hasOwn(at, name) ? Reflect.get(at, name) : undefined;
    const isList = /^\d+$/.test(path[index + 1] ?? '');
    const child: object = typeof next === 'object' && next !== null ? next : isList ? [] : {};
    Object.defineProperty(at, name, { value: child, enumerable: true, writable: true, configurable: true });
    at = child;
  }
  Object.defineProperty(at, last, { value, enumerable: true, writable: true, configurable: true });
}
