import type { IncomingMessage, ServerResponse } from 'node:http';
import { context } from '@opentelemetry/api';
import { messageOf } from '../errors.ts';
import { isoFromMs } from '../model/time.ts';
import { type Delivery, startDelivery } from '../record/delivery.ts';
import { type Moment, mintMoment } from '../record/mint.ts';
import { activeRecorder } from '../record/recorder.ts';
import { redactDerived } from '../redact/derived-text.ts';
import { sendJson } from '../serve/json-response.ts';
import { problemStatus } from '../serve/problem.ts';
import { parametersOf } from '../system/http/parameters.ts';
import type { BodyGate } from './body-gate.ts';
import { type CommandMatch, type MatchedCommand, matchCommands, mentionPattern } from './command.ts';
import type { FloodGauge } from './flood-gauge.ts';
import { headersOf, type WebhookHeaders } from './headers.ts';
import { readOwnLines, type Writing } from './markup/own-lines.ts';
import type {
  Provider,
  Said,
  UnverifiedIdentity,
  WebhookAnswer,
  WebhookEvent,
  WebhookRequestBody,
} from './provider.ts';
import { RejectedDelivery } from './rejection.ts';
import type { ProofSource, Proofs } from './repeats/proofs.ts';
import type { Redeliveries } from './repeats/redeliveries.ts';
import type { FirstDelivery } from './repeats/shared-claims.ts';
import { isSignedBytesName } from './repeats/signed-bytes.ts';
import { type Subject, signSubject } from './repeats/subject.ts';
import { matchFields, startTasks, type TaskTaker, takeOverTasks } from './webhook-tasks.ts';

export interface ReceiverOptions extends TaskTaker {
  readonly trigger: string;
  readonly commands: readonly string[];
  now(): number;
}

/** Shared by all providers of one receiver. */
export interface ReceiverParts {
  readonly options: ReceiverOptions;
  readonly gate: BodyGate;
  readonly flood: FloodGauge;
  readonly redeliveries: Redeliveries;
  /** Makes the deliveries of this process known to later ones. */
  readonly proofs?: ProofSource | undefined;
}

/** A request in progress. Its state decides how a refusal is recorded. */
interface Exchange {
  readonly delivery: Delivery;
  readonly identity: UnverifiedIdentity;
  readonly arrived: Moment;
  state: 'unverified' | 'verified' | 'read';
  /** Called when the delivery is recorded, before it is answered. They never reject. */
  readonly onRecorded: (() => Promise<void>)[];
}

/** Handles one request of a provider, with the steps that all of them have. Throws the error to answer as a problem. */
export async function receive(
  provider: Provider,
  parts: ReceiverParts,
  [req, res]: readonly [IncomingMessage, ServerResponse],
): Promise<void> {
  const headers = headersOf(req);
  const identity = provider.identify(headers);
  const { deliveryId, eventType } = identity;
  const delivery = startDelivery(req, {
    provider: provider.name,
    ...(deliveryId !== undefined && { deliveryId }),
    ...(eventType !== undefined && { eventType }),
  });
  const exchange: Exchange = {
    ...{ delivery, identity, arrived: mintMoment(), onRecorded: [] },
    state: 'unverified',
  };
  try {
    const answer = await context.with(delivery.scope.context, async () => {
      const request = await authenticate(provider, parts, { req, headers });
      exchange.state = 'verified';
      const read = provider.read(request);
      const [event, ...more] = 'payload' in read ? [read] : read;
      exchange.state = 'read';
      return act(provider, parts, { ...exchange, event, more });
    });
    delivery.end(answer.status);
    // The records must be on the disk before the answer promises the tasks.
    await activeRecorder()?.synced();
    parts.flood.noteRecorded();
    await settleAll(exchange);
    sendJson(res, answer);
  } catch (error) {
    recordRefusal(provider, parts.flood, { exchange, error });
    activeRecorder()?.flush();
    await settleAll(exchange);
    throw error;
  }
}

async function settleAll({ onRecorded }: Exchange): Promise<void> {
  await Promise.all(onRecorded.splice(0).map((settle) => settle()));
}

async function authenticate(
  provider: Provider,
  { gate, options }: ReceiverParts,
  { req, headers }: { readonly req: IncomingMessage; readonly headers: WebhookHeaders },
): Promise<WebhookRequestBody> {
  if (provider.secrets.length === 0) {
    const message = `set ${provider.setting} to receive ${provider.name} webhooks`;
    throw new RejectedDelivery('ERR_NOT_CONFIGURED', { reason: 'no_secret', message });
  }
  return gate.use(req, provider.bodyBytesMax, async (body) => {
    const request = { headers, body, nowMs: options.now(), query: parametersOf(req.url) };
    const refusal = await provider.verify(request);
    if (refusal !== undefined) throw new RejectedDelivery('ERR_SIGNATURE_INVALID', refusal);
    return request;
  });
}

/** The result of one event of a delivery. */
interface Settled {
  readonly outcome: 'accepted' | 'duplicate' | 'unmatched';
  /** Of a duplicate: what was taken before. */
  readonly repeats?: 'delivery' | 'subject';
  readonly first?: FirstDelivery | undefined;
  readonly taskIds: readonly string[];
  /** What happened, in words that a person reads. */
  readonly words: string;
}

/** A body with several events is one delivery, with the id of its first event and the tasks of all. */
async function act(
  provider: Provider,
  parts: ReceiverParts,
  exchange: Exchange & { readonly event: WebhookEvent; readonly more: readonly WebhookEvent[] },
): Promise<WebhookAnswer> {
  const { delivery, event, more, arrived } = exchange;
  const { deliveryId, eventType } = event;
  const subject = signSubject(provider, event.subject);
  delivery.describe({
    ...(deliveryId !== undefined && { deliveryId }),
    ...(eventType !== undefined && { eventType }),
    ...(subject !== undefined && { subject: subject.name }),
  });
  const received = { event_type: eventType, webhook_id: deliveryId, ...event.received };
  delivery.stage('received', received, { moment: arrived });
  delivery.stage('validation', { status: 'passed' });
  const proofs = await parts.proofs?.();
  if (proofs !== undefined) delivery.proveWith(proofs.ofDelivery);
  const results: Settled[] = [];
  // One after another: of two events with the same id, one starts the tasks.
  for (const one of [event, ...more]) {
    const isFirst = one === event;
    results.push(await settle(provider, parts, { ...exchange, event: one, isFirst, proofs }));
  }
  const first = results.find(({ outcome }) => outcome === 'accepted');
  const result = first ?? results.find(({ outcome }) => outcome === 'duplicate') ?? results[0];
  if (result === undefined || result.outcome === 'unmatched') {
    const reason = result?.words ?? 'no command';
    delivery.stage('command_matching', { matched: false, matched_count: 0, reason });
    delivery.outcome('unmatched', reason);
    const value = { status: 'received', actions: 0, message: reason };
    return event.answer ?? shaped(event, { status: 200, value }, reason);
  }
  const taskIds = results.flatMap((one) => one.taskIds);
  if (result.outcome === 'duplicate') {
    const repeats = result.repeats ?? 'delivery';
    const isBody = repeats === 'subject' && isSignedBytesName(subject?.name);
    const message = isBody ? sameBody(result.first) : REPEATED[repeats];
    delivery.outcome('duplicate', message, taskIds);
    const value = { status: 'duplicate', actions: 0, message, task_ids: taskIds };
    return shaped(event, { status: 200, value }, result.words);
  }
  const value = { status: 'accepted', task_ids: taskIds };
  return shaped(event, { status: 202, value }, result.words);
}

interface EventOfDelivery {
  readonly event: WebhookEvent;
  readonly isFirst: boolean;
  readonly proofs: Proofs | undefined;
}

async function settle(
  provider: Provider,
  { options, redeliveries }: ReceiverParts,
  {
    delivery,
    onRecorded,
    event,
    isFirst,
    proofs,
  }: Pick<Exchange, 'delivery' | 'onRecorded'> & EventOfDelivery,
): Promise<Settled> {
  const { said, deliveryId } = event;
  const subject = signSubject(provider, event.subject);
  const match =
    'reason' in said ? ({ matched: false, reason: said.reason } as const) : await find(said, options);
  if ('reason' in said || !match.matched) {
    const reason = match.matched ? 'no command' : reasonWithout(match.reason, said);
    return { outcome: 'unmatched', taskIds: [], words: reason };
  }
  const { commands } = match;
  const matchedAt = mintMoment();
  const order = { delivery, provider, event, subject, said, commands, matchedAt, proofs };
  const {
    repeats,
    taskIds,
    left = [],
    first,
    settle: onceRecorded,
  } = await redeliveries.take(
    {
      provider: provider.name,
      deliveryId,
      subject,
      commands: commands.map(({ command }) => command),
      nowMs: options.now(),
      onTry: (tries) => delivery.describe({ tries }),
    },
    (wanted, done, found) => startTasks(order, { wanted, done, ...found }, options),
  );
  if (onceRecorded !== undefined) onRecorded.push(onceRecorded);
  // The record of a delivery has one subject, that of its first event.
  if (subject !== undefined && isFirst) delivery.describe({ subjectMacs: startedMacs(subject, commands) });
  const names = commands.map(({ command }) => command).join(', ');
  if (repeats === undefined) {
    if (left.length > 0) await takeOverTasks(order, left, options);
    return { outcome: 'accepted', taskIds, words: `Started: ${names}` };
  }
  delivery.stage('command_matching', matchFields(order), { moment: matchedAt });
  return { outcome: 'duplicate', repeats, first, taskIds, words: `Already started: ${names}` };
}

/** The reason may quote a word of the text, without the markup that shows that it is a secret. */
function reasonWithout(reason: string, said: WebhookEvent['said']): string {
  return 'reason' in said ? reason : (redactDerived(reason, said.text) ?? 'unknown command');
}

function startedMacs(
  subject: Subject,
  commands: readonly MatchedCommand[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(commands.map(({ command }) => [command, subject.macsOf(command)[0] ?? '']));
}

const REPEATED = {
  delivery: 'this delivery was taken before',
  subject: 'another delivery of the same comment, message or issue was taken before',
} as const;

/** Its id is not signed, so that anyone who has seen the body could send it with another one. */
function sameBody(first: FirstDelivery | undefined): string {
  const when = first === undefined ? 'before' : `at ${isoFromMs(first.atMs)}`;
  const id = first?.deliveryId === undefined ? 'with another id' : `with the id ${first.deliveryId}`;
  return `the same signed body was taken ${when}, ${id}: within four days it starts nothing again`;
}

async function find(said: Said, options: ReceiverOptions): Promise<CommandMatch> {
  if (said.command !== undefined) return { matched: true, commands: [{ command: said.command, args: '' }] };
  const match = await findIn(said.writing, options);
  if (!match.matched || said.former === undefined) return match;
  const former = await findIn(said.former, options);
  const before = new Set(former.matched ? former.commands.map(({ command }) => command) : []);
  const commands = match.commands.filter(({ command }) => !before.has(command));
  if (commands.length > 0) return { matched: true, commands };
  return { matched: false, reason: 'the text asked for this before it was changed' };
}

async function findIn(writing: Writing, options: ReceiverOptions): Promise<CommandMatch> {
  const { lines, isWhole } = await readOwnLines(writing, mentionPattern(options.trigger));
  const match = matchCommands(lines, options);
  if (match.matched || isWhole) return match;
  return { matched: false, reason: `${match.reason}; a part of it is too long to be searched` };
}

function shaped(event: WebhookEvent, answer: WebhookAnswer, words: string): WebhookAnswer {
  return event.shape?.(answer, words) ?? answer;
}

/** Signed deliveries are always recorded, others within a budget. */
function recordRefusal(
  provider: Provider,
  flood: FloodGauge,
  { exchange, error }: { readonly exchange: Exchange; readonly error: unknown },
): void {
  const { delivery, identity, arrived, state } = exchange;
  const status = problemStatus(error);
  const reason = error instanceof RejectedDelivery ? error.reason : reasonOf(error, status);
  if (state === 'unverified' && !flood.admit(provider.name, reason)) {
    delivery.discard();
    return;
  }
  if (state !== 'read') {
    const received = { event_type: identity.eventType, webhook_id: identity.deliveryId };
    delivery.stage('received', received, { moment: arrived });
    delivery.stage('validation', { status: 'failed', reason });
  }
  delivery.outcome('rejected', reason);
  delivery.end(status, status >= 500 ? error : undefined);
  flood.noteRecorded();
}

function reasonOf(error: unknown, status: number): string {
  return status === 500 ? 'unexpected error' : messageOf(error);
}
