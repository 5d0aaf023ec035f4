import { createHmac, timingSafeEqual, verify } from 'node:crypto';
import { isAnyOf } from '../../model/secret.ts';
import { readHeader, type WebhookHeaders } from '../headers.ts';
import type { WebhookRequestBody } from '../provider.ts';
import type { Refusal } from '../rejection.ts';
import { malformedSignature, missingSignature, wrongSignature } from '../signature.ts';
import { timeMsOf } from './delivery-time.ts';
import { fieldAt } from './payload-path.ts';
import type { Scheme, SchemeKeys } from './scheme.ts';
import { signedBytes } from './signed-text.ts';

/** A request whose body is parsed on demand: most schemes do not need it. */
export interface SignedRequest extends WebhookRequestBody {
  readonly payload: () => unknown;
  readonly deliveryId: string | undefined;
}

/** While a secret is rotated there are two. More would be work for nothing. */
const SIGNATURES_MAX = 8;

const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const;
const ED25519_BYTES = 64;

/** Undefined when the request is authentic. Of several schemes the first one that the request uses decides. */
export function checkAuthenticity(schemes: readonly Scheme[], request: SignedRequest): Refusal | undefined {
  const scheme = schemeOf(schemes, request);
  return scheme === undefined
    ? missingSignature('the signature')
    : checkScheme(scheme, request, valueAt(scheme, request));
}

function schemeOf(schemes: readonly Scheme[], request: SignedRequest): Scheme | undefined {
  return schemes.find((one) => valueAt(one, request) !== undefined) ?? schemes[0];
}

/** What the signature of an authentic request covers; undefined for a token, which covers nothing. */
export interface SignedContent {
  readonly pieces: readonly (string | Buffer)[];
  /** False: only some fields of the body are signed. */
  readonly isWholeBody: boolean;
  /** Paths of the fields that are signed alone. */
  readonly fields: readonly (readonly string[])[];
  /** Whether a time or an id outside the body is signed: equal bodies have other pieces. */
  readonly isUnique: boolean;
}

/** Reads again what `checkAuthenticity` has verified. */
export function signedContent(schemes: readonly Scheme[], request: SignedRequest): SignedContent | undefined {
  const scheme = schemeOf(schemes, request);
  if (scheme === undefined || 'secrets' in scheme.keys) return undefined;
  const { parts, url, separator } = scheme;
  const value = valueAt(scheme, request) ?? '';
  const entries = separator === undefined ? [value] : (splitEntries(value, separator) ?? []);
  const timestamp = readTimestamp(scheme, request, entries);
  if (typeof timestamp === 'object') return undefined;
  const { headers, body, payload, deliveryId: id } = request;
  const pieces = signedBytes(parts, { headers, body, payload, id, timestamp, url });
  return (
    pieces && {
      pieces,
      isWholeBody: parts.some(({ kind }) => kind === 'body'),
      fields: parts.flatMap((part) => (part.kind === 'field' ? [part.path] : [])),
      isUnique: parts.some(({ kind }) => kind === 'timestamp' || kind === 'id' || kind === 'header'),
    }
  );
}

function checkScheme(scheme: Scheme, request: SignedRequest, value: string | undefined): Refusal | undefined {
  const { where, keys } = scheme;
  if (value === undefined) return missingSignature(where);
  if (isRepeated(scheme, request.headers)) return malformedSignature(where, 'must be sent once');
  return 'secrets' in keys
    ? checkToken(scheme, keys, value)
    : checkSignatures({ ...scheme, keys }, request, value);
}

type SignatureKeys = Exclude<SchemeKeys, { secrets: unknown }>;
type SigningScheme = Scheme & { readonly keys: SignatureKeys };

function checkSignatures(scheme: SigningScheme, request: SignedRequest, value: string): Refusal | undefined {
  const { where, keys, prefix } = scheme;
  const entries = scheme.separator === undefined ? [value] : splitEntries(value, scheme.separator);
  if (entries === undefined)
    return malformedSignature(where, `must hold at most ${SIGNATURES_MAX} signatures`);
  const given = entries
    .filter((entry) => entry.startsWith(prefix))
    .map((entry) => entry.slice(prefix.length));
  if (given.length === 0) return malformedSignature(where, `must begin with ${JSON.stringify(prefix)}`);
  const signatures = given.map((text) => decode(text, scheme)).filter((bytes) => bytes !== undefined);
  if (signatures.length === 0) return malformedSignature(where, shapeOf(scheme));
  const timestamp = readTimestamp(scheme, request, entries);
  if (typeof timestamp === 'object') return timestamp;
  const { headers, body, payload, deliveryId: id } = request;
  const pieces = signedBytes(scheme.parts, { headers, body, payload, id, timestamp, url: scheme.url });
  if (pieces === undefined)
    return malformedSignature(where, 'cannot be checked: a signed part is missing or ambiguous');
  if (!isSigned(keys, pieces, signatures)) return wrongSignature(where);
  return timestamp === undefined ? undefined : staleness(scheme, timestamp, request.nowMs);
}

function valueAt({ place, prefix }: Scheme, { headers, query, payload }: SignedRequest): string | undefined {
  if (place.kind === 'field') return fieldAt(payload(), place.path);
  if (place.kind === 'query') return query.getAll(place.name).join(', ') || undefined;
  const value = readHeader(headers, place.name.toLowerCase());
  // RFC 9110, 11.1: the name of an authentication scheme is the same in any case.
  if (value === undefined || place.name.toLowerCase() !== 'authorization' || !/^[A-Za-z]+ +$/.test(prefix))
    return value;
  const scheme = prefix.trimEnd();
  const rest = value.slice(scheme.length);
  const isScheme =
    value.slice(0, scheme.length).toLowerCase() === scheme.toLowerCase() && rest.startsWith(' ');
  return isScheme ? prefix + rest.trim() : value;
}

/** A list of signatures would hide that its header was sent twice. */
function isRepeated({ place, separator }: Scheme, headers: WebhookHeaders): boolean {
  if (place.kind !== 'header' || separator === undefined) return false;
  return (headers[place.name.toLowerCase()]?.length ?? 0) > 1;
}

function checkToken(
  { where, prefix }: Scheme,
  { kind, secrets }: Extract<SchemeKeys, { secrets: unknown }>,
  value: string,
): Refusal | undefined {
  if (!value.startsWith(prefix))
    return malformedSignature(where, `must begin with ${JSON.stringify(prefix)}`);
  const given = kind === 'token' ? value.slice(prefix.length) : passwordIn(value);
  if (given === undefined) return malformedSignature(where, 'must be HTTP Basic: a user name and the secret');
  return isAnyOf(secrets, given)
    ? undefined
    : { reason: 'wrong_token', message: `${where} is not the secret` };
}

/** RFC 7617: the text behind the first colon. */
function passwordIn(value: string): string | undefined {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(value)?.[1];
  const credentials = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const colon = credentials.indexOf(':');
  return colon < 0 ? undefined : credentials.slice(colon + 1);
}

function splitEntries(value: string, separator: string): readonly string[] | undefined {
  // One more for a time beside the signatures.
  const entries = value.split(separator, SIGNATURES_MAX + 2).map((entry) => entry.trim());
  return entries.length > SIGNATURES_MAX + 1 ? undefined : entries;
}

/** The bytes of a signature; undefined for text of another encoding or length. */
function decode(text: string, { encoding, keys }: SigningScheme): Buffer | undefined {
  const shape = encoding === 'hex' ? /^(?:[0-9a-fA-F]{2})+$/ : /^[A-Za-z0-9+/_-]+={0,2}$/;
  const bytes = shape.test(text) ? Buffer.from(text, encoding) : undefined;
  return bytes?.length === bytesOf(keys) ? bytes : undefined;
}

function bytesOf(keys: SignatureKeys): number {
  return keys.kind === 'hmac' ? DIGEST_BYTES[keys.algorithm] : ED25519_BYTES;
}

function shapeOf({ encoding, keys }: SigningScheme): string {
  const what = keys.kind === 'hmac' ? `${keys.algorithm} HMAC` : 'Ed25519 signature';
  return `must hold the ${what} of the body in ${encoding}`;
}

/** The time as sent, a refusal, or undefined for a scheme without a time. */
function readTimestamp(
  { timestamp: place, where }: Scheme,
  { headers, payload }: SignedRequest,
  entries: readonly string[],
): string | Refusal | undefined {
  if (place === undefined) return undefined;
  let text: string | undefined;
  let name = where;
  if (place.kind === 'header') {
    name = place.name;
    text = readHeader(headers, name.toLowerCase());
  } else if (place.kind === 'field') {
    name = `${place.path.join('.')} in the body`;
    text = fieldAt(payload(), place.path);
  } else {
    const found = entries.filter((entry) => entry.startsWith(place.prefix));
    if (found.length > 1) return malformedSignature(where, 'must hold one time');
    text = found[0]?.slice(place.prefix.length);
  }
  if (text === undefined) return { reason: 'missing_timestamp', message: `the time in ${name} is missing` };
  if (timeMsOf(text) !== undefined) return text;
  const message = `the time in ${name} must be in seconds, milliseconds or ISO 8601`;
  return { reason: 'malformed_timestamp', message };
}

function staleness({ toleranceMs }: Scheme, timestamp: string, nowMs: number): Refusal | undefined {
  const awayMs = Math.abs(nowMs - (timeMsOf(timestamp) ?? 0));
  // Senders that write whole seconds may be most of a second older than they say.
  if (awayMs < toleranceMs + 1_000) return undefined;
  const message = `the delivery is stale: its time is more than ${toleranceMs / 1_000} s away from this machine's clock`;
  return { reason: 'stale_timestamp', message };
}

/** Every key is tried with every signature: the time taken must not show which one fits. */
function isSigned(
  keys: SignatureKeys,
  pieces: readonly (string | Buffer)[],
  signatures: readonly Buffer[],
): boolean {
  let isValid = false;
  if (keys.kind === 'ed25519') {
    const bytes = Buffer.concat(
      pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)),
    );
    for (const key of keys.keys)
      for (const signature of signatures) isValid = verify(null, bytes, key, signature) || isValid;
    return isValid;
  }
  for (const key of keys.keys) {
    const hmac = createHmac(keys.algorithm, key);
    for (const piece of pieces) hmac.update(piece);
    const digest = hmac.digest();
    for (const signature of signatures) isValid = timingSafeEqual(digest, signature) || isValid;
  }
  return isValid;
}
