import { createHmac } from 'node:crypto';
import { unverifiedText } from '../../record/unverified-text.ts';
import { deliveryIdOf, readHeader, type WebhookHeaders } from '../headers.ts';
import { primitiveAt, textAt, valueAt, type WebhookPayload } from '../payload.ts';
import type {
  Said,
  SourceFields,
  UnverifiedIdentity,
  WebhookAnswer,
  WebhookEvent,
  WebhookRequestBody,
} from '../provider.ts';
import { malformed, RejectedDelivery } from '../rejection.ts';
import { signedBytesName } from '../repeats/signed-bytes.ts';
import { challengeAt, fillAnswer } from './answer-template.ts';
import type { SignedContent } from './authenticity.ts';
import { parseBody } from './body-shape.ts';
import type { Sender } from './compiled-sender.ts';
import { type FieldReader, filterReason, hasValues } from './event-filter.ts';
import { fieldAt, firstFieldAt, joinedFieldsAt, parsePath } from './payload-path.ts';

/** Event Grid sends one event a request unless batching is switched on. Each may start a task. */
const EVENTS_MAX = 100;

/** What the headers of an unverified request say. */
export function identityIn(
  { options }: Pick<Sender, 'options'>,
  headers: WebhookHeaders,
): UnverifiedIdentity {
  const { deliveryIdHeader = [], eventTypeHeader } = options;
  const read = (name: string): string | undefined => readHeader(headers, name.toLowerCase());
  const ids = [deliveryIdHeader].flat().map(read);
  const eventType = eventTypeHeader === undefined ? undefined : read(eventTypeHeader);
  return {
    deliveryId: deliveryIdOf(ids.find((id) => id !== undefined)),
    eventType: eventType === undefined ? undefined : unverifiedText(eventType),
  };
}

/** A verified request. `signed` is undefined for a token. */
export interface VerifiedRequest extends WebhookRequestBody {
  readonly signed?: SignedContent | undefined;
}

/** The events of a verified request. Throws `RejectedDelivery`. */
export function readEvents(
  sender: Sender,
  request: VerifiedRequest,
  trigger: string,
): readonly [WebhookEvent, ...WebhookEvent[]] {
  const body = parseBody(request, { isList: sender.paths.events?.length === 0 });
  const [first, ...rest] = eventsIn(sender, body);
  const read = (payload: WebhookPayload, place: number): WebhookEvent =>
    readEvent(sender, payload, { request, trigger, place });
  if (first === undefined) throw malformed('no_events', 'the list of events in the body is empty');
  // The id in a header is that of the whole delivery: each further event gets its place behind it.
  const { deliveryId } = identityIn(sender, request.headers);
  const later = rest.map((payload, index): WebhookEvent => {
    const event = read(payload, index + 1);
    const isShared = deliveryId !== undefined && event.deliveryId === deliveryId;
    return isShared ? { ...event, deliveryId: deliveryIdOf(`${deliveryId} ${index + 2}`) } : event;
  });
  return [read(first, 0), ...later];
}

function eventsIn({ paths: { events } }: Sender, body: unknown): readonly WebhookPayload[] {
  const list = events === undefined ? [body] : valueAt(body, events);
  // CloudEvents that are not batched come as one object.
  const items: readonly unknown[] = Array.isArray(list) ? list : [list];
  if (items.length > EVENTS_MAX) {
    const message = `the body has more than ${EVENTS_MAX} events: configure smaller batches at the sender`;
    throw new RejectedDelivery('ERR_TOO_LARGE', { reason: 'too_many_events', message });
  }
  return items.map((item) => {
    // `WebhookPayload` requires an object and nothing else.
    if (typeof item === 'object' && item !== null && !Array.isArray(item)) return item as WebhookPayload;
    throw malformed('malformed_json', 'an event in the body is not an object');
  });
}

interface Reading {
  readonly request: VerifiedRequest;
  readonly trigger: string;
  /** Of the event in its body. */
  readonly place: number;
}

function readEvent(sender: Sender, payload: WebhookPayload, reading: Reading): WebhookEvent {
  const { request, trigger } = reading;
  const { options, paths } = sender;
  const header = identityIn(sender, request.headers);
  const isTyped = paths.eventType.length > 0 || options.eventTypeHeader !== undefined;
  const type = joinedFieldsAt(payload, paths.eventType, '.');
  const eventType =
    type === undefined ? (header.eventType ?? (isTyped ? undefined : 'webhook')) : unverifiedText(type);
  const answer = handshakeAnswer(sender, payload);
  const { answer: template } = options;
  return {
    payload,
    deliveryId: deliveryIdIn(sender, payload, reading),
    subject: subjectIn(sender, payload, reading),
    eventType,
    received: {},
    source: sourceOf(payload, paths),
    said:
      answer === undefined
        ? saidIn(sender, payload, { read: fieldReader(sender, payload, eventType), trigger })
        : { reason: 'the sender checks the address' },
    ...(answer !== undefined && { answer }),
    ...(template !== undefined && {
      shape: (_: WebhookAnswer, words: string): WebhookAnswer => ({
        status: 200,
        value: fillAnswer(template, (name) =>
          name === 'words' ? words : (challengeAt(payload, name) ?? ''),
        ),
      }),
    }),
  };
}

/** Where the signature covers some fields only, an id outside them proves nothing: the signed fields are the id. */
function deliveryIdIn(
  { options, paths }: Sender,
  payload: WebhookPayload,
  reading: Reading,
): string | undefined {
  const { signed, headers } = reading.request;
  const isPartial = signed !== undefined && !signed.isWholeBody;
  const isSigned = paths.deliveryId.some((path) => signed?.fields.some((field) => isEqual(field, path)));
  if (isPartial && !isSigned) return signedBytesName(signed.pieces, reading.place);
  return deliveryIdOf(firstFieldAt(payload, paths.deliveryId)) ?? identityIn({ options }, headers).deliveryId;
}

function subjectIn(
  { options, paths }: Sender,
  payload: WebhookPayload,
  reading: Reading,
): string | undefined {
  const identity = joinedFieldsAt(payload, paths.identity, ' ');
  if (identity !== undefined) return `identity ${identity}`;
  const { signed } = reading.request;
  // A sender without ids has no other way to ask for the same again.
  const hasId = paths.deliveryId.length > 0 || options.deliveryIdHeader !== undefined;
  const isRead = signed?.isWholeBody === true && (hasId || signed.isUnique);
  return isRead ? signedBytesName(signed.pieces, reading.place) : undefined;
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/** A missing value is null: the field shows that its path was read. */
function sourceOf(payload: unknown, { source }: Sender['paths']): SourceFields {
  return Object.fromEntries(source.map(([key, path]) => [key, primitiveAt(payload, path) ?? null]));
}

function fieldReader({ paths }: Sender, payload: WebhookPayload, eventType: string | undefined): FieldReader {
  return (field) => {
    if (field === 'event') return eventType;
    if (field === 'action' || field === 'author' || field === 'bot')
      return firstFieldAt(payload, paths[field]);
    return fieldAt(payload, parsePath(field) ?? []);
  };
}

function saidIn(
  { options, paths }: Sender,
  payload: WebhookPayload,
  { read, trigger }: { readonly read: FieldReader; readonly trigger: string },
): Said | { reason: string } {
  const reason = filterReason(read, options.only, options.ignore);
  if (reason !== undefined) return { reason };
  const texts = paths.message.map((path) => textAt(payload, ...path)).filter((text) => text !== undefined);
  const text = texts.find((one) => one.trim() !== '');
  const where = [options.message].flat().join(' or ');
  if (texts.length === 0) return { reason: `there is no text at ${where} in the body` };
  if (text === undefined) return { reason: `the text at ${where} is empty` };
  const { command, isCommandText = false, markup = isCommandText ? 'text' : 'markdown' } = options;
  return { text, command, writing: { markup, text: isCommandText ? `${trigger} ${text}` : text } };
}

/** The answer to a request that checks the address; undefined for every other one. */
function handshakeAnswer({ options, schemes }: Sender, payload: WebhookPayload): WebhookAnswer | undefined {
  const { when, answer = {} } = options.handshake ?? {};
  if (when === undefined || !hasValues((path) => fieldAt(payload, parsePath(path) ?? []), when))
    return undefined;
  const value = fillAnswer(answer, (name) => {
    const isHmac = name.startsWith('hmac:');
    const challenge = challengeAt(payload, isHmac ? name.slice('hmac:'.length) : name);
    if (challenge === undefined)
      throw malformed('malformed_challenge', `the challenge at ${name} is missing`);
    if (!isHmac) return challenge;
    const keys = schemes[0]?.keys;
    const key = keys?.kind === 'hmac' ? keys.keys[0] : undefined;
    if (key === undefined) throw malformed('malformed_challenge', 'only an HMAC secret can sign a challenge');
    return createHmac('sha256', key).update(String(challenge)).digest('hex');
  });
  return { status: 200, value };
}
