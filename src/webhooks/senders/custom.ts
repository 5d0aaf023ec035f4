import { isAnyOf } from '../../model/secret.ts';
import { unverifiedText } from '../../record/unverified-text.ts';
import { deliveryIdOf, readHeader, type WebhookHeaders } from '../headers.ts';
import type { Markup } from '../markup/own-lines.ts';
import { parsePayload, primitiveAt, textAt } from '../payload.ts';
import type { Provider, Said, SourceFields, WebhookEvent, WebhookRequestBody } from '../provider.ts';
import type { Refusal } from '../rejection.ts';
import {
  type HmacAlgorithm,
  isSignedByAny,
  malformedSignature,
  missingSignature,
  secretsOf,
  wrongSignature,
} from '../signature.ts';

/**
 * A sender that signs its JSON body, or sends a secret in a header. A path names a place in the body, with dots between
 * names and numbers for positions in a list: `issue.fields.0.text`.
 */
export interface CustomOptions {
  /** One, or several while they are rotated. */
  readonly secret: string | readonly string[] | undefined;
  /** The header that holds the signature or, with `token`, the secret itself. */
  readonly header: string;
  /** The HMAC of the body's bytes. Default `sha256`. `token`: the header holds the secret. */
  readonly algorithm?: HmacAlgorithm | 'token' | undefined;
  /** Default `hex`. */
  readonly encoding?: 'hex' | 'base64' | undefined;
  /** The text before it, such as `sha256=`. Default none. */
  readonly prefix?: string | undefined;
  /** Path of the text that a person has written. */
  readonly message: string;
  /** The markup of that text. Default `markdown`. */
  readonly markup?: Markup | undefined;
  /** Path of the event type, or its header. Default: the type `webhook`. */
  readonly eventType?: string | undefined;
  readonly eventTypeHeader?: string | undefined;
  /** Path of the delivery id, or its header. Without both, a repeated delivery starts its tasks again. */
  readonly deliveryId?: string | undefined;
  readonly deliveryIdHeader?: string | undefined;
  /** Further fields of `source_metadata`: the path of each, by name. */
  readonly sourceMetadata?: Readonly<Record<string, string>> | undefined;
  /** Starts this command with every delivery. Default: the commands after the trigger in the text. */
  readonly command?: string | undefined;
  /** Default 5 MiB. */
  readonly bodyBytesMax?: number | undefined;
}

/** Far more than notifications of build servers and trackers need. */
const BODY_BYTES_MAX = 5_242_880;

/** Fields of `source_metadata` that every task has. */
const OWN_FIELDS: readonly string[] = ['provider', 'event_type', 'webhook_id', 'command'];

export function createCustom(name: string, options: CustomOptions): Provider {
  const secrets = secretsOf(`custom.${name}.secret`, options.secret);
  const paths = {
    message: pathOf(name, 'message', options.message),
    eventType: optionalPath(name, 'eventType', options.eventType),
    deliveryId: optionalPath(name, 'deliveryId', options.deliveryId),
    source: Object.entries(options.sourceMetadata ?? {}).map(
      ([key, path]) => [key, pathOf(name, `sourceMetadata.${key}`, path)] as const,
    ),
  };
  const taken = paths.source.find(([key]) => OWN_FIELDS.includes(key));
  if (taken !== undefined) {
    throw new TypeError(`custom.${name}.sourceMetadata.${taken[0]}: every task has this field already`);
  }
  if (typeof options.header !== 'string' || options.header === '') {
    throw new TypeError(`custom.${name}.header must name the header that holds the signature`);
  }
  return {
    name,
    setting: `webhooks.${name}.secret`,
    secrets,
    bodyBytesMax: options.bodyBytesMax ?? BODY_BYTES_MAX,
    identify: (headers) => identify(headers, options),
    verify: async (request) => checkSignature(secrets, options, request),
    read: (request) => readCustom(request, options, paths),
  };
}

interface Paths {
  readonly message: readonly string[];
  readonly eventType: readonly string[] | undefined;
  readonly deliveryId: readonly string[] | undefined;
  readonly source: readonly (readonly [string, readonly string[]])[];
}

function identify(
  headers: WebhookHeaders,
  { deliveryIdHeader, eventTypeHeader }: CustomOptions,
): { deliveryId: string | undefined; eventType: string | undefined } {
  const read = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : readHeader(headers, name.toLowerCase());
  const eventType = read(eventTypeHeader);
  return {
    deliveryId: deliveryIdOf(read(deliveryIdHeader)),
    eventType: eventType === undefined ? undefined : unverifiedText(eventType),
  };
}

function checkSignature(
  secrets: readonly string[],
  { header, algorithm = 'sha256', encoding = 'hex', prefix = '' }: CustomOptions,
  { headers, body }: WebhookRequestBody,
): Refusal | undefined {
  const value = readHeader(headers, header.toLowerCase());
  if (value === undefined) return missingSignature(header);
  if (!value.startsWith(prefix))
    return malformedSignature(header, `must begin with ${JSON.stringify(prefix)}`);
  const given = value.slice(prefix.length);
  if (algorithm === 'token') {
    return isAnyOf(secrets, given)
      ? undefined
      : { reason: 'wrong_token', message: `${header} is not the secret` };
  }
  const shape = encoding === 'hex' ? /^(?:[0-9a-fA-F]{2})+$/ : /^[A-Za-z0-9+/_-]+={0,2}$/;
  const bytes = shape.test(given) ? Buffer.from(given, encoding) : undefined;
  if (bytes?.length !== DIGEST_BYTES[algorithm]) {
    return malformedSignature(header, `must hold the ${algorithm} HMAC of the body in ${encoding}`);
  }
  return isSignedByAny(secrets, { algorithm, parts: [body] }, bytes) ? undefined : wrongSignature(header);
}

const DIGEST_BYTES: Readonly<Record<HmacAlgorithm, number>> = { sha1: 20, sha256: 32, sha512: 64 };

function readCustom(
  { headers, body }: WebhookRequestBody,
  options: CustomOptions,
  paths: Paths,
): WebhookEvent {
  const payload = parsePayload(body);
  const header = identify(headers, options);
  const at = (path: readonly string[] | undefined): string | undefined => {
    const value = path === undefined ? undefined : primitiveAt(payload, path);
    return value === undefined || value === null || value === '' ? undefined : String(value);
  };
  const eventType = at(paths.eventType);
  const isTyped = paths.eventType !== undefined || options.eventTypeHeader !== undefined;
  return {
    payload,
    deliveryId: deliveryIdOf(at(paths.deliveryId)) ?? header.deliveryId,
    eventType:
      eventType === undefined
        ? (header.eventType ?? (isTyped ? undefined : 'webhook'))
        : unverifiedText(eventType),
    received: {},
    source: sourceOf(payload, paths),
    said: saidIn(payload, options, paths),
  };
}

/** A missing value is null: the field shows that its path was read. */
function sourceOf(payload: unknown, { source }: Paths): SourceFields {
  return Object.fromEntries(source.map(([key, path]) => [key, primitiveAt(payload, path) ?? null]));
}

function saidIn(
  payload: unknown,
  { message, command, markup = 'markdown' }: CustomOptions,
  paths: Paths,
): Said | { reason: string } {
  const text = textAt(payload, ...paths.message);
  if (text === undefined) return { reason: `there is no text at ${message} in the body` };
  if (text.trim() === '') return { reason: `the text at ${message} is empty` };
  return { text, command, writing: { markup, text } };
}

function optionalPath(name: string, key: string, path: string | undefined): readonly string[] | undefined {
  return path === undefined ? undefined : pathOf(name, key, path);
}

function pathOf(name: string, key: string, path: string): readonly string[] {
  const names = typeof path === 'string' ? path.split('.') : [''];
  if (names.includes('')) {
    throw new TypeError(`custom.${name}.${key} must be names with dots between them: issue.fields.text`);
  }
  return names;
}
