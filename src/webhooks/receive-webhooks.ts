import type { IncomingMessage, ServerResponse } from 'node:http';
import { createHandler, type HttpHandler, type Methods } from '../serve/routes.ts';
import { BodyGate, type GateLimits } from './body-gate.ts';
import { FloodGauge } from './flood-gauge.ts';
import { handshakeMethods } from './handshake.ts';
import type { Provider } from './provider.ts';
import { type ReceiverParts, receive } from './receiver.ts';
import type { DeliveryLedger } from './repeats/ledger.ts';
import type { ProofSource } from './repeats/proofs.ts';
import { Redeliveries } from './repeats/redeliveries.ts';
import type { SharedClaims } from './repeats/shared-claims.ts';
import { type CustomOptions, createCustom } from './senders/custom.ts';
import { createGithub, type GithubOptions } from './senders/github.ts';
import { createJira, type JiraOptions } from './senders/jira.ts';
import { createSlack, type SlackOptions } from './senders/slack.ts';
import { weaknessesOf } from './signature.ts';
import type { WebhookTask } from './webhook-tasks.ts';

export interface ReceiveWebhooksOptions {
  readonly github?: GithubOptions | undefined;
  readonly jira?: JiraOptions | undefined;
  readonly slack?: SlackOptions | undefined;
  /** Other senders, by the name in their path. */
  readonly custom?: Readonly<Record<string, CustomOptions>> | undefined;
  /** Default `@agent`. */
  readonly trigger?: string;
  /** Default review, fix, plan and help. */
  readonly commands?: readonly string[];
  /** Puts the task into a queue. The webhook is answered after that; a rejection becomes 503. */
  onTask(task: WebhookTask): Promise<unknown>;
  /** The agent of a command, if it is known when the task is created. */
  agentOf?(command: string): string | undefined;
  /** Receives defects, which the sender sees only as a 500. Default: a process warning. */
  readonly onError?: (error: unknown) => void;
  /** Milliseconds since 1970, to check the age of signatures. Default `Date.now`. */
  readonly now?: () => number;
  /** Finds the deliveries of earlier processes. */
  readonly ledger?: DeliveryLedger | undefined;
  /** Shared by the processes that receive the same webhooks. Default: this process is the only one. */
  readonly claims?: SharedClaims | undefined;
}

/** `close` records the counts of unrecorded rejections. Later requests are still answered. */
export type WebhookHandler = HttpHandler & { close(): void };

export const DEFAULT_COMMANDS: readonly string[] = ['review', 'fix', 'plan', 'help'];

export type { WebhookTask };

/** Defaults of an entry point, below the user's options. */
export interface ReceiverDefaults {
  readonly limits?: Partial<GateLimits>;
  readonly ledger?: DeliveryLedger;
  readonly proofs?: ProofSource;
}

/** 256 MiB are ten of the largest bodies. GitHub gives up after 10 s. */
const LIMITS: GateLimits = { bytesAtOnceMax: 268_435_456, timeoutMs: 10_000 };

/**
 * `POST /github`, `/jira`, `/slack` and `/<custom>` as a handler for Express 4, Express 5 or a Node server: verifies and
 * records each delivery, calls `onTask` for each of its tasks, and answers when they are durable. Mount it before any body
 * parser: it needs the raw bytes. Throws `TypeError` for invalid options, also for a secret of less than 16 characters, with
 * blanks at its ends, or of one repeated character.
 */
export function receiveWebhooks(
  options: ReceiveWebhooksOptions,
  { limits, ledger, proofs }: ReceiverDefaults = {},
): WebhookHandler {
  const { trigger = '@agent', commands = DEFAULT_COMMANDS, onTask, agentOf, onError } = options;
  if (trigger.trim() === '') throw new TypeError('trigger must not be empty');
  const parts: ReceiverParts = {
    options: {
      trigger,
      commands,
      onTask: (task) => onTask.call(options, task),
      ...(agentOf !== undefined && { agentOf: (command: string) => agentOf.call(options, command) }),
      now: options.now ?? Date.now,
    },
    gate: new BodyGate({ ...LIMITS, ...limits }),
    flood: new FloodGauge(),
    redeliveries: new Redeliveries({ ledger: options.ledger ?? ledger, claims: options.claims }),
    proofs,
  };
  const routes: Record<string, Methods> = {};
  for (const provider of providersOf(options, trigger)) {
    checkSecrets(provider, options);
    const answer = (req: IncomingMessage, res: ServerResponse): Promise<void> =>
      receive(provider, parts, [req, res]);
    routes[`/${provider.name}`] = { POST: answer, ...handshakeMethods(provider) };
  }
  return Object.assign(createHandler(routes, { onError }), { close: () => parts.flood.sum() });
}

/** By the same rule as the settings of the service. */
function checkSecrets(
  { name, secrets, weaknesses }: Provider,
  { custom = {} }: ReceiveWebhooksOptions,
): void {
  const [weakness] = weaknesses ?? weaknessesOf(secrets);
  const option = name in custom ? `custom.${name}` : name;
  if (weakness !== undefined) throw new TypeError(`${option}.secret: ${weakness}`);
}

/** A new sender is a new line. */
function providersOf(options: ReceiveWebhooksOptions, trigger: string): readonly Provider[] {
  const { custom = {}, commands = DEFAULT_COMMANDS } = options;
  const own = [createGithub(options.github), createJira(options.jira), createSlack(options.slack, trigger)];
  const taken = new Set(own.map(({ name }) => name));
  for (const [name, sender] of Object.entries(custom)) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
      throw new TypeError(`custom.${name}: use letters, digits, ".", "_" and "-" in a name`);
    }
    // Paths match in every case.
    if (taken.has(name.toLowerCase()))
      throw new TypeError(`custom.${name}: this name is used already; choose another one`);
    if (sender.command !== undefined && !commands.includes(sender.command)) {
      throw new TypeError(
        `custom.${name}.command: ${JSON.stringify(sender.command)} is not one of ${commands.join(', ')}`,
      );
    }
    taken.add(name.toLowerCase());
    own.push(createCustom(name, sender, trigger));
  }
  return own;
}
