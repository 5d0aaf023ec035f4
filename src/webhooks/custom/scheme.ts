import type { KeyObject } from 'node:crypto';
import type { HmacAlgorithm } from '../signature.ts';
import { parsePath } from './payload-path.ts';
import { type SchemeOptions, SenderProblem } from './sender-options.ts';
import { parseSigned, type SignedPart } from './signed-text.ts';
import { hmacKeyOf, publicKeyOf } from './signing-key.ts';

/** Where a signature or token stands. */
export type SignaturePlace =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'field'; readonly path: readonly string[] }
  | { readonly kind: 'query'; readonly name: string };

export type TimestampPlace =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'field'; readonly path: readonly string[] }
  /** An entry beside the signatures. */
  | { readonly kind: 'entry'; readonly prefix: string };

export type SchemeKeys =
  | { readonly kind: 'hmac'; readonly algorithm: HmacAlgorithm; readonly keys: readonly Buffer[] }
  | { readonly kind: 'ed25519'; readonly keys: readonly KeyObject[] }
  | { readonly kind: 'token' | 'basic'; readonly secrets: readonly string[] };

/** A way to prove who sends, with its secrets. */
export interface Scheme {
  readonly place: SignaturePlace;
  /** The place in words, for messages. */
  readonly where: string;
  readonly keys: SchemeKeys;
  readonly encoding: 'hex' | 'base64';
  readonly prefix: string;
  readonly separator: string | undefined;
  readonly parts: readonly SignedPart[];
  readonly url: string | undefined;
  readonly timestamp: TimestampPlace | undefined;
  readonly toleranceMs: number;
}

/** Most vendors that sign a time recommend this window. */
const TOLERANCE_SECONDS = 300;

/** Throws `SenderProblem` for options that cannot authenticate a sender. */
export function compileScheme(sender: string, options: SchemeOptions, secrets: readonly string[]): Scheme {
  const { algorithm = 'sha256', encoding = 'hex', prefix = '', separator, url } = options;
  const place = placeOf(sender, options);
  const isSigned = algorithm !== 'token' && algorithm !== 'basic';
  if (place.kind === 'query' && algorithm !== 'token') {
    throw new SenderProblem(sender, 'query', 'must stand with the algorithm token');
  }
  if (separator === '') throw new SenderProblem(sender, 'separator', 'must not be empty');
  const scheme: Scheme = {
    place,
    where: whereOf(place),
    keys: keysOf(sender, options, secrets),
    encoding,
    prefix,
    separator,
    parts: partsOf(sender, options.signed ?? '{body}'),
    url,
    timestamp: timestampOf(sender, options),
    toleranceMs: (options.toleranceSeconds ?? TOLERANCE_SECONDS) * 1_000,
  };
  if (isSigned) checkParts(sender, scheme);
  else if (scheme.timestamp !== undefined) {
    throw new SenderProblem(sender, 'timestamp', 'a token does not prove the time; leave it out');
  }
  return scheme;
}

function placeOf(sender: string, { header, signature, query }: SchemeOptions): SignaturePlace {
  if (signature !== undefined) return { kind: 'field', path: pathOf(sender, 'signature', signature) };
  if (query !== undefined && query !== '') return { kind: 'query', name: query };
  if (typeof header !== 'string' || header === '') {
    throw new SenderProblem(sender, 'header', 'must name the header that holds the signature');
  }
  return { kind: 'header', name: header };
}

function whereOf(place: SignaturePlace): string {
  if (place.kind === 'header') return place.name;
  if (place.kind === 'query') return `the parameter ${place.name} of the address`;
  return `${place.path.join('.')} in the body`;
}

function keysOf(sender: string, options: SchemeOptions, secrets: readonly string[]): SchemeKeys {
  const { algorithm = 'sha256', secretEncoding = 'utf8' } = options;
  if (algorithm === 'token' || algorithm === 'basic') return { kind: algorithm, secrets };
  if (algorithm === 'ed25519') {
    const keys = secrets.map(publicKeyOf).filter((key) => key !== undefined);
    if (keys.length === secrets.length) return { kind: 'ed25519', keys };
    throw new SenderProblem(sender, 'secret', 'must be an Ed25519 public key: 64 hex digits, base64 or PEM');
  }
  const keys = secrets.map((secret) => hmacKeyOf(secret, secretEncoding)).filter((key) => key !== undefined);
  if (keys.length === secrets.length) return { kind: 'hmac', algorithm, keys };
  throw new SenderProblem(sender, 'secret', `must be written in ${secretEncoding}, as the sender shows it`);
}

function partsOf(sender: string, template: string): readonly SignedPart[] {
  const parts = parseSigned(template);
  if (typeof parts === 'string') throw new SenderProblem(sender, 'signed', parts);
  return parts;
}

function timestampOf(sender: string, options: SchemeOptions): TimestampPlace | undefined {
  const { timestamp, timestampHeader, timestampPrefix, toleranceSeconds } = options;
  const isTolerance =
    toleranceSeconds === undefined || (toleranceSeconds > 0 && Number.isFinite(toleranceSeconds));
  if (!isTolerance) throw new SenderProblem(sender, 'toleranceSeconds', 'must be a number above 0');
  if (timestampPrefix !== undefined) return { kind: 'entry', prefix: timestampPrefix };
  if (timestampHeader !== undefined) return { kind: 'header', name: timestampHeader };
  return timestamp === undefined
    ? undefined
    : { kind: 'field', path: pathOf(sender, 'timestamp', timestamp) };
}

/** A time, an address or a field that nothing signs proves nothing. */
function checkParts(sender: string, { place, parts, timestamp, separator, url }: Scheme): void {
  const has = (kind: SignedPart['kind']): boolean => parts.some((part) => part.kind === kind);
  if (!has('body') && !has('field'))
    throw new SenderProblem(sender, 'signed', 'must hold {body} or {body:<path>}');
  if (place.kind === 'field' && has('body')) {
    throw new SenderProblem(
      sender,
      'signed',
      'must name the signed fields: a signature in the body cannot cover {body}',
    );
  }
  if (has('timestamp') && timestamp === undefined) {
    throw new SenderProblem(sender, 'timestampHeader', 'must say where the {timestamp} of signed stands');
  }
  const isInBody = timestamp?.kind === 'field' && has('body');
  if (timestamp !== undefined && !has('timestamp') && !isInBody) {
    throw new SenderProblem(
      sender,
      'signed',
      'must hold {timestamp}: a time that is not signed proves nothing',
    );
  }
  if (timestamp?.kind === 'entry' && separator === undefined) {
    throw new SenderProblem(sender, 'separator', 'must say what stands between the time and the signatures');
  }
  if (has('url') && url === undefined) {
    throw new SenderProblem(
      sender,
      'url',
      'must be the address as the sender knows it: https://<host>/webhooks/<name>',
    );
  }
}

/** Throws `SenderProblem`. */
export function pathOf(sender: string, option: string, path: unknown): readonly string[] {
  const names = parsePath(path);
  if (names !== undefined) return names;
  throw new SenderProblem(sender, option, 'must be names with dots between them: issue.fields.text');
}
