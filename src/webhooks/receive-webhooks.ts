import type { IncomingMessage, ServerResponse } from 'node:http';
import { context } from '@opentelemetry/api';
import { LRUCache } from 'lru-cache';
import { messageOf, TasktrailError } from '../errors.ts';
import type { Delivery } from '../record/delivery.ts';
import { startDelivery } from '../record/delivery.ts';
import { mintMoment } from '../record/mint.ts';
import type { QueuedTask } from '../record/queued-task.ts';
import { activeRecorder } from '../record/recorder.ts';
import { sendJson } from '../serve/answer.ts';
import { readBody } from '../serve/body.ts';
import { problemStatus, sendProblem } from '../serve/problem.ts';
import { createHandler, type HttpHandler } from '../serve/routes.ts';
import { type MatchedCommand, matchCommand } from './command.ts';
import {
  checkGithubSignature,
  type GithubHeaders,
  githubEventType,
  githubSource,
  githubText,
  reactionPath,
  readGithubHeaders,
} from './github.ts';
import type { WebhookPayload } from './payload.ts';
import { sendReaction } from './reaction.ts';

export interface GithubOptions {
  /** Without one every delivery is answered with 503. */
  readonly secret: string | undefined;
  /** For the `eyes` reaction; without one the stage says `skipped`. */
  readonly token?: string | undefined;
  readonly apiUrl?: string | undefined;
}

/** A task that a verified webhook asks for; not queued yet. */
export type WebhookTask = QueuedTask & {
  readonly command: string;
  readonly payload: WebhookPayload;
  readonly deliveryId: string | undefined;
};

export interface ReceiveWebhooksOptions {
  readonly github?: GithubOptions;
  /** Default `@agent`. */
  readonly trigger?: string;
  /** Default review, fix, plan and help. */
  readonly commands?: readonly string[];
  /** Puts the task into a queue. The webhook is answered when this is done; a rejection becomes 503. */
  onTask(task: WebhookTask): Promise<unknown>;
  readonly onError?: (error: unknown) => void;
}

export const DEFAULT_COMMANDS: readonly string[] = ['review', 'fix', 'plan', 'help'];

/** GitHub's own limit for a payload is 25 MB. */
const BODY_BYTES_MAX = 26_214_400;

/** Recent delivery ids: a day of a busy organisation, and a few megabytes. */
const DELIVERIES_MAX = 20_000;

/**
 * `POST /github` as a handler for Express 4, Express 5 or a bare server: verifies, matches, records every stage, hands
 * the task to `onTask` and answers when the task is durable. Mount it before any body parser: it needs the raw bytes.
 */
export function receiveWebhooks(options: ReceiveWebhooksOptions): HttpHandler {
  const receiver = new GithubReceiver(options);
  const onError = options.onError;
  return createHandler(
    { '/github': { POST: (req, res) => receiver.receive(req, res) } },
    onError === undefined ? {} : { onError },
  );
}

class GithubReceiver {
  readonly #options: ReceiveWebhooksOptions;
  /** Delivery id -> the tasks that it started, or is about to. */
  readonly #seen = new LRUCache<string, Promise<readonly string[]>>({ max: DELIVERIES_MAX });

  constructor(options: ReceiveWebhooksOptions) {
    this.#options = options;
  }

  async receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const headers = readGithubHeaders(req.headers);
    const delivery = startDelivery(req, {
      provider: 'github',
      ...(headers.deliveryId !== undefined && { deliveryId: headers.deliveryId }),
      ...(headers.event !== undefined && { eventType: headers.event }),
    });
    try {
      const answer = await context.with(delivery.scope.context, () => this.#handle(req, headers, delivery));
      delivery.end(answer.status);
      // The tasks must be with the operating system before anybody is told that they were taken.
      activeRecorder()?.flush();
      sendJson(res, answer);
    } catch (error) {
      const status = problemStatus(error);
      delivery.outcome('rejected', status === 500 ? 'unexpected error' : messageOf(error));
      delivery.end(status, status >= 500 ? error : undefined);
      activeRecorder()?.flush();
      sendProblem(res, error, this.#options.onError);
    }
  }

  async #handle(
    req: IncomingMessage,
    headers: GithubHeaders,
    delivery: Delivery,
  ): Promise<{ status: number; value: object }> {
    const arrived = mintMoment();
    const received = { event_type: headers.event, webhook_id: headers.deliveryId };
    const reject = (reason: string, error: TasktrailError): TasktrailError => {
      delivery.stage('received', received, { moment: arrived });
      delivery.stage('validation', { status: 'failed', reason });
      return error;
    };
    const secret = this.#options.github?.secret;
    if (secret === undefined) {
      throw reject(
        'no_secret',
        new TasktrailError('ERR_NOT_CONFIGURED', 'set GITHUB_WEBHOOK_SECRET to take GitHub webhooks'),
      );
    }
    const body = await readBody(req, BODY_BYTES_MAX).catch((error: unknown) => {
      throw error instanceof TasktrailError ? reject('unreadable_body', error) : error;
    });
    const wrong = await checkGithubSignature(secret, body, headers.signature);
    if (wrong !== undefined)
      throw reject(wrong, new TasktrailError('ERR_SIGNATURE_INVALID', describeSignature(wrong)));
    const payload = parsePayload(body, req.headers['content-type']);
    if (payload === undefined) {
      throw reject(
        'malformed_json',
        new TasktrailError('ERR_INPUT_INVALID', 'the body is not a JSON object in UTF-8'),
      );
    }
    const eventType = githubEventType(headers.event, payload);
    const source = githubSource(payload);
    delivery.describe({ eventType });
    delivery.stage(
      'received',
      { ...received, event_type: eventType, ...stageFields(source) },
      { moment: arrived },
    );
    delivery.stage('validation', { status: 'passed' });
    return this.#act({ delivery, eventType, payload, headers, source });
  }

  async #act(verified: Verified): Promise<{ status: number; value: object }> {
    const { delivery, eventType, payload, headers } = verified;
    const spoken = githubText(eventType, payload);
    const match =
      'reason' in spoken
        ? ({ matched: false, reason: spoken.reason } as const)
        : matchCommand(spoken.text, {
            trigger: this.#options.trigger ?? '@agent',
            commands: this.#options.commands ?? DEFAULT_COMMANDS,
          });
    if ('reason' in spoken || !match.matched) {
      const reason = match.matched ? 'no command' : match.reason;
      delivery.stage('command_matching', { matched: false, reason });
      delivery.outcome('unmatched', reason);
      return { status: 200, value: { status: 'received', actions: 0, message: reason } };
    }
    // Looked up and remembered before anything is awaited: of two equal deliveries at the same instant one starts a task.
    const id = headers.deliveryId;
    const before = id === undefined ? undefined : this.#seen.get(id);
    if (before !== undefined) {
      // Not answered before the first one is: were that one to fail, this would have promised a task that nobody has.
      const taskIds = await before;
      delivery.outcome('duplicate', 'this delivery was taken before');
      return { status: 200, value: { status: 'duplicate', actions: 0, task_ids: taskIds } };
    }
    const started = this.#accept(verified, spoken.text, match.command);
    if (id !== undefined) {
      this.#seen.set(id, started);
      // What could not be queued may come again.
      started.catch(() => this.#seen.delete(id));
    }
    return { status: 202, value: { status: 'accepted', task_ids: await started } };
  }

  async #accept(
    verified: Verified,
    message: string,
    { command, args }: MatchedCommand,
  ): Promise<readonly string[]> {
    const { delivery, eventType, payload } = verified;
    delivery.stage('command_matching', {
      command,
      matched: true,
      ...(args !== '' && { args: args.slice(0, 200) }),
    });
    const { token, apiUrl } = this.#options.github ?? {};
    const path = reactionPath(eventType, payload);
    delivery.stage('immediate_response', { ...(await sendReaction(path, { token, apiUrl })) });
    return this.#start(verified, message, command);
  }

  async #start(verified: Verified, message: string, command: string): Promise<readonly string[]> {
    const { delivery, eventType, payload, headers, source } = verified;
    const deliveryId = headers.deliveryId;
    const { action: _action, ...metadata } = source;
    try {
      const task = delivery.task({
        source: 'webhook',
        provider: 'github',
        message,
        sourceMetadata: { event_type: eventType, webhook_id: deliveryId ?? null, ...metadata, command },
        metadata: { command },
      });
      await this.#options.onTask(Object.assign(task, { command, payload, deliveryId }));
      return delivery.taskIds;
    } catch (error) {
      if (error instanceof TasktrailError) throw error;
      throw new TasktrailError(
        'ERR_QUEUE_UNAVAILABLE',
        'the task could not be queued; send the delivery again',
        {
          retryable: true,
          cause: error,
        },
      );
    }
  }
}

interface Verified {
  readonly delivery: Delivery;
  readonly eventType: string;
  readonly payload: WebhookPayload;
  readonly headers: GithubHeaders;
  readonly source: ReturnType<typeof githubSource>;
}

/** JSON, or the form that GitHub sends when a webhook is set to it. Undefined when it is no object. */
function parsePayload(body: Buffer, contentType: string | undefined): WebhookPayload | undefined {
  const isForm = contentType?.toLowerCase().startsWith('application/x-www-form-urlencoded') ?? false;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    const json = isForm ? (new URLSearchParams(text).get('payload') ?? '') : text;
    const value: unknown = JSON.parse(json);
    // The type says no more than that it is an object.
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as WebhookPayload)
      : undefined;
  } catch {
    // Signed and not JSON in UTF-8: a webhook set to another format, or a test.
    return undefined;
  }
}

function stageFields(source: ReturnType<typeof githubSource>): ReturnType<typeof githubSource> {
  const { action, repo, issue_number, comment_id } = source;
  return { action, repo, issue_number, comment_id };
}

function describeSignature(reason: string): string {
  switch (reason) {
    case 'missing_signature':
      return 'X-Hub-Signature-256 is missing: give the webhook the same secret as GITHUB_WEBHOOK_SECRET';
    case 'malformed_signature':
      return 'X-Hub-Signature-256 must be sha256= and 64 hex digits';
    default:
      return 'X-Hub-Signature-256 does not fit the body: the secrets differ, or a proxy has changed the body';
  }
}
