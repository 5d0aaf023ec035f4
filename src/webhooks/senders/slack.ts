import { unverifiedText } from '../../record/unverified-text.ts';
import { isTrueForm, parseFormOnce } from '../form.ts';
import { deliveryIdOf, readHeader } from '../headers.ts';
import { areReadableBlocks } from '../markup/slack-blocks.ts';
import { type NameOf, unescapeSlack } from '../markup/slack-text.ts';
import { parsePayload, textAt, valueAt, type WebhookPayload } from '../payload.ts';
import type { Provider, Said, WebhookAnswer, WebhookEvent, WebhookRequestBody } from '../provider.ts';
import { malformed, type Refusal } from '../rejection.ts';
import { signedBytesName } from '../repeats/signed-bytes.ts';
import { unlessForgotten } from '../repeats/subject.ts';
import {
  isSignedByAny,
  malformedSignature,
  missingSignature,
  secretsOf,
  wrongSignature,
} from '../signature.ts';

export interface SlackOptions {
  /** The app's signing secret; several while they are rotated. */
  readonly secret: string | readonly string[] | undefined;
}

/** Slack's requests have a few kilobytes; a message has at most 40,000 characters. */
const BODY_BYTES_MAX = 1_048_576;

/** Slack's recommendation: an older request may be a replay. */
const WINDOW_SECONDS = 300;

const SIGNATURE = 'X-Slack-Signature';
const TIMESTAMP = 'X-Slack-Request-Timestamp';

/** Without Slack's library, which depends on a web client and a socket client: the signature is one HMAC. */
export function createSlack(options: SlackOptions | undefined, trigger: string): Provider {
  const secrets = secretsOf('slack.secret', options?.secret);
  return {
    name: 'slack',
    setting: 'SLACK_SIGNING_SECRET',
    secrets,
    bodyBytesMax: BODY_BYTES_MAX,
    // Slack's ids are in the body, and unknown until it is verified.
    identify: () => ({}),
    verify: async (request) => checkSignature(secrets, request),
    read: (request) => readSlack(request, trigger),
  };
}

function checkSignature(
  secrets: readonly string[],
  { headers, body, nowMs }: WebhookRequestBody,
): Refusal | undefined {
  const signature = readHeader(headers, SIGNATURE.toLowerCase());
  const timestamp = readHeader(headers, TIMESTAMP.toLowerCase());
  if (signature === undefined) return missingSignature(SIGNATURE);
  if (timestamp === undefined) return { reason: 'missing_timestamp', message: `${TIMESTAMP} is missing` };
  const hex = /^v0=([0-9a-f]{64})$/.exec(signature)?.[1];
  if (hex === undefined) return malformedSignature(SIGNATURE, 'must be v0= and 64 hex digits');
  if (!/^\d{1,12}$/.test(timestamp)) {
    return { reason: 'malformed_timestamp', message: `${TIMESTAMP} must be in whole seconds` };
  }
  if (Math.abs(Math.floor(nowMs / 1_000) - Number(timestamp)) > WINDOW_SECONDS) {
    const message = `${TIMESTAMP} is stale: it is more than ${WINDOW_SECONDS} s away from this machine's clock`;
    return { reason: 'stale_timestamp', message };
  }
  const signed = { algorithm: 'sha256', parts: [`v0:${timestamp}:`, body] } as const;
  return isSignedByAny(secrets, signed, Buffer.from(hex, 'hex')) ? undefined : wrongSignature(SIGNATURE);
}

function readSlack(request: WebhookRequestBody, trigger: string): WebhookEvent {
  const event = readBody(request, trigger);
  if (event.deliveryId !== undefined || event.subject !== undefined) return event;
  // Without an id a repetition has the same signed time and bytes.
  const timestamp = readHeader(request.headers, TIMESTAMP.toLowerCase()) ?? '';
  return { ...event, subject: signedBytesName([`v0:${timestamp}:`, request.body]) };
}

function readBody({ headers, body, nowMs }: WebhookRequestBody, trigger: string): WebhookEvent {
  if (isTrueForm(readHeader(headers, 'content-type'), body)) return readForm(parseFormOnce(body), trigger);
  const payload = parsePayload(body);
  const type = textAt(payload, 'type');
  if (type === 'url_verification') return readChallenge(payload);
  if (type !== 'event_callback') return silent(payload, type);
  const isChange = textAt(payload, 'event', 'subtype') === 'message_changed';
  return (isChange ? readChange : readEvent)(payload, { headers, nowMs }, trigger);
}

type RequestPart = Pick<WebhookRequestBody, 'headers' | 'nowMs'>;

/** An edited message, or one that Slack has changed, for example by the preview of a link. */
function readChange(payload: WebhookPayload, part: RequestPart, trigger: string): WebhookEvent {
  const read = (key: string): WebhookEvent => {
    // Without `edited`: the text before the change is known.
    const { edited: _, ...message } = Object(valueAt(payload, ['event', key]));
    const event = { ...message, type: 'message', channel: textAt(payload, 'event', 'channel') };
    return readEvent({ ...payload, event }, part, trigger);
  };
  const now = read('message');
  const before = read('previous_message');
  return { ...now, payload, eventType: 'message.message_changed', said: saidSince(now.said, before.said) };
}

function saidSince(now: WebhookEvent['said'], before: WebhookEvent['said']): WebhookEvent['said'] {
  if ('reason' in now) return now;
  return { ...now, former: 'reason' in before ? { markup: 'text', text: '' } : before.writing };
}

function readChallenge(payload: WebhookPayload): WebhookEvent {
  const challenge = textAt(payload, 'challenge');
  if (challenge === undefined) throw malformed('malformed_challenge', 'the challenge is missing');
  return { ...silent(payload, 'url_verification'), answer: { status: 200, value: { challenge } } };
}

function readEvent(payload: WebhookPayload, { headers, nowMs }: RequestPart, trigger: string): WebhookEvent {
  const event = valueAt(payload, ['event']);
  const kind = textAt(event, 'type') ?? 'unknown';
  const subtype = textAt(event, 'subtype');
  const channel = textAt(event, 'channel');
  const team = textAt(payload, 'team_id');
  const ts = textAt(event, 'ts');
  const isMessage = kind === 'app_mention' || kind === 'message';
  return {
    payload,
    deliveryId: deliveryIdOf(textAt(payload, 'event_id')),
    // A message that mentions the app is sent as `message`, as `app_mention` and after an edit, with different ids.
    subject: isMessage && ts !== undefined ? `message ${team} ${channel} ${ts}` : undefined,
    eventType: unverifiedText(subtype === undefined ? kind : `${kind}.${subtype}`),
    received: {
      channel,
      retry_num: shortText(readHeader(headers, 'x-slack-retry-num')),
      retry_reason: shortText(readHeader(headers, 'x-slack-retry-reason')),
    },
    source: {
      channel,
      user: textAt(event, 'user'),
      team,
      ts,
      thread_ts: textAt(event, 'thread_ts'),
    },
    said: isMessage
      ? unlessForgotten(saidIn(payload, trigger), { editedOfMs: editedOfMs(event), nowMs })
      : { reason: `event ${unverifiedText(kind)} starts nothing` },
  };
}

/** The time of a message that was edited since. */
function editedOfMs(event: unknown): number | undefined {
  const isEdited = valueAt(event, ['edited']) !== undefined;
  return isEdited ? Number(textAt(event, 'ts')) * 1_000 : undefined;
}

/** Subtypes of messages that a person writes. Others report changes of messages and channels. */
const SPOKEN_SUBTYPES: ReadonlySet<string> = new Set(['file_share', 'thread_broadcast']);

function saidIn(payload: WebhookPayload, trigger: string): Said | { reason: string } {
  const event = valueAt(payload, ['event']);
  const subtype = textAt(event, 'subtype');
  // An agent's own reply may quote a command, and would start the agent again.
  if (subtype === 'bot_message' || textAt(event, 'bot_id') !== undefined)
    return { reason: 'the sender is a bot' };
  if (subtype !== undefined && !SPOKEN_SUBTYPES.has(subtype)) {
    return { reason: `message subtype ${unverifiedText(subtype)} starts nothing` };
  }
  const raw = textAt(event, 'text');
  if (raw === undefined || raw.trim() === '') return { reason: 'there is no text' };
  const blocks = valueAt(event, ['blocks']);
  const nameOf = mentionsOf(raw, payload, trigger);
  return {
    text: unescapeSlack(raw),
    writing: areReadableBlocks(blocks)
      ? { markup: 'slack-blocks', blocks, nameOf }
      : { markup: 'slack', text: raw, nameOf },
  };
}

/** Mentions of the app become the trigger. */
function mentionsOf(text: string, payload: WebhookPayload, trigger: string): NameOf {
  const bots = botsOf(payload);
  // With a shared channel `authorizations` may name the app's user of another workspace. Slack says itself that the app is mentioned.
  const isMention = textAt(payload, 'event', 'type') === 'app_mention';
  const isNamed = [...text.matchAll(/<@([A-Z0-9]{1,30})/g)].some(([, id = '']) => bots.has(id));
  return (id) => (bots.has(id) || (isMention && !isNamed) ? ` ${trigger} ` : `<@${id}>`);
}

/** The app's own users, which each event names. */
function botsOf(payload: WebhookPayload): ReadonlySet<string> {
  const list = valueAt(payload, ['authorizations']);
  const ids = (Array.isArray(list) ? list : [])
    .filter((entry) => valueAt(entry, ['is_bot']) !== false)
    .map((entry) => textAt(entry, 'user_id'));
  return new Set(ids.filter((id) => id !== undefined));
}

function readForm(form: URLSearchParams, trigger: string): WebhookEvent {
  const interaction = form.get('payload');
  if (interaction !== null) {
    // Slack sends an interaction in this field alone.
    if (form.size > 1) throw malformed('malformed_form', 'the form has more than the field "payload"');
    const payload = parsePayload(interaction);
    return silent(payload, textAt(payload, 'type'));
  }
  // Each field is a string: a payload without nesting.
  const payload = Object.fromEntries(form) as unknown as WebhookPayload;
  if (form.has('ssl_check')) return silent(payload, 'ssl_check');
  const command = form.get('command');
  if (command === null) {
    throw malformed('malformed_form', 'the form is neither a slash command nor an interaction');
  }
  const words = form.get('text') ?? '';
  const field = (name: string): string | undefined => form.get(name) ?? undefined;
  return {
    payload,
    deliveryId: deliveryIdOf(field('trigger_id')),
    eventType: 'slash_command',
    received: { channel: field('channel_id') },
    source: {
      channel: field('channel_id'),
      channel_name: field('channel_name'),
      user: field('user_id'),
      user_name: field('user_name'),
      team: field('team_id'),
      slash_command: command,
    },
    said: {
      text: `${command} ${words}`.trim(),
      writing: { markup: 'text', text: `${trigger} ${words}` },
    },
    shape: inWords,
  };
}

/** Slack shows the answer to a slash command to its user, and treats every status but 200 as a failure. */
function inWords({ value }: WebhookAnswer, words: string): WebhookAnswer {
  return { status: 200, value: { ...value, response_type: 'ephemeral', text: words } };
}

/** An event without a person's text. */
function silent(payload: WebhookPayload, type: string | undefined): WebhookEvent {
  const eventType = unverifiedText(type ?? 'unknown');
  return {
    payload,
    deliveryId: deliveryIdOf(textAt(payload, 'event_id') ?? textAt(payload, 'trigger_id')),
    eventType,
    received: {},
    source: {},
    said: { reason: `event ${eventType} starts nothing` },
  };
}

function shortText(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : unverifiedText(value);
}
