import type { IncomingMessage, ServerResponse } from 'node:http';
import { context } from '@opentelemetry/api';
import { messageOf } from '../errors.ts';
import { type Delivery, startDelivery } from '../record/delivery.ts';
import { type Moment, mintMoment } from '../record/mint.ts';
import { activeRecorder } from '../record/recorder.ts';
import { sendJson } from '../serve/json-response.ts';
import { problemStatus } from '../serve/problem.ts';
import type { BodyGate } from './body-gate.ts';
import { type CommandMatch, type MatchedCommand, matchCommands } from './command.ts';
import type { FloodGauge } from './flood-gauge.ts';
import { headersOf, type WebhookHeaders } from './headers.ts';
import type {
  Provider,
  Said,
  UnverifiedIdentity,
  WebhookAnswer,
  WebhookEvent,
  WebhookRequestBody,
} from './provider.ts';
import type { Redeliveries } from './redeliveries.ts';
import { RejectedDelivery } from './rejection.ts';
import { type Subject, signSubject } from './subject.ts';
import { matchFields, startTasks, type TaskTaker } from './webhook-tasks.ts';

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
}

/** A request in progress. Its state decides how a refusal is recorded. */
interface Exchange {
  readonly delivery: Delivery;
  readonly identity: UnverifiedIdentity;
  readonly arrived: Moment;
  state: 'unverified' | 'verified' | 'read';
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
  const exchange: Exchange = { delivery, identity, arrived: mintMoment(), state: 'unverified' };
  try {
    const answer = await context.with(delivery.scope.context, async () => {
      const request = await authenticate(provider, parts, { req, headers });
      exchange.state = 'verified';
      const event = provider.read(request);
      exchange.state = 'read';
      return act(provider, parts, { ...exchange, event });
    });
    delivery.end(answer.status);
    // The records must have reached the operating system before the answer promises the tasks.
    activeRecorder()?.flush();
    parts.flood.noteRecorded();
    sendJson(res, answer);
  } catch (error) {
    recordRefusal(provider, parts.flood, { exchange, error });
    activeRecorder()?.flush();
    throw error;
  }
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
    const request = { headers, body, nowMs: options.now() };
    const refusal = await provider.verify(request);
    if (refusal !== undefined) throw new RejectedDelivery('ERR_SIGNATURE_INVALID', refusal);
    return request;
  });
}

async function act(
  provider: Provider,
  { options, redeliveries }: ReceiverParts,
  { delivery, event, arrived }: Exchange & { readonly event: WebhookEvent },
): Promise<WebhookAnswer> {
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
  const { said } = event;
  const match = 'reason' in said ? ({ matched: false, reason: said.reason } as const) : find(said, options);
  if ('reason' in said || !match.matched) {
    const reason = match.matched ? 'no command' : match.reason;
    delivery.stage('command_matching', { matched: false, matched_count: 0, reason });
    delivery.outcome('unmatched', reason);
    const value = { status: 'received', actions: 0, message: reason };
    return event.answer ?? shaped(event, { status: 200, value }, reason);
  }
  const { commands } = match;
  const matchedAt = mintMoment();
  const order = { delivery, provider, event, subject, said, commands, matchedAt };
  const { repeats, taskIds } = await redeliveries.take(
    { provider: provider.name, deliveryId, subject, commands: commands.map(({ command }) => command) },
    (wanted, done, refusal) => startTasks(order, { wanted, done, refusal }, options),
  );
  if (subject !== undefined) delivery.describe({ subjectMacs: startedMacs(subject, commands) });
  const names = commands.map(({ command }) => command).join(', ');
  if (repeats !== undefined) {
    delivery.stage('command_matching', matchFields(commands), { moment: matchedAt });
    delivery.outcome('duplicate', REPEATED[repeats], taskIds);
    const value = { status: 'duplicate', actions: 0, task_ids: taskIds };
    return shaped(event, { status: 200, value }, `Already started: ${names}`);
  }
  const value = { status: 'accepted', task_ids: taskIds };
  return shaped(event, { status: 202, value }, `Started: ${names}`);
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

function find(said: Said, options: ReceiverOptions): CommandMatch {
  if (said.command !== undefined) return { matched: true, commands: [{ command: said.command, args: '' }] };
  const match = matchCommands(said.spoken ?? said.text, options);
  if (!match.matched || said.former === undefined) return match;
  const former = matchCommands(said.former, options);
  const before = new Set(former.matched ? former.commands.map(({ command }) => command) : []);
  const commands = match.commands.filter(({ command }) => !before.has(command));
  if (commands.length > 0) return { matched: true, commands };
  return { matched: false, reason: 'the text asked for this before it was changed' };
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
