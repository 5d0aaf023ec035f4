import { context, type Link, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { ATTR } from '../model/attributes.ts';
import type { DeliveryOutcome, Stage, StageLine } from '../model/documents.ts';
import { EVENT, stageEventName } from '../model/events.ts';
import { checkId } from '../model/ids.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonPrimitive,
  type JsonValue,
  toJsonValue,
} from '../model/json.ts';
import { isoFromMs } from '../model/time.ts';
import { readTraceparent } from './carrier.ts';
import { type Moment, mintMoment, mintTaskId } from './mint.ts';
import { failureOf, Scope } from './scope.ts';
import { type TaskInput, taskIdAttributes } from './task/attempt.ts';
import { QueuedTask } from './task/queued-task.ts';
import { withTaskIds } from './task-context.ts';
import { unverifiedText } from './unverified-text.ts';

/** What of an HTTP request a delivery needs; Node's, Express 4's and Express 5's requests all fit. */
export interface WebhookRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly originalUrl?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface DeliveryIdentity {
  readonly provider?: string;
  /** The vendor's id of this delivery. */
  readonly deliveryId?: string;
  readonly eventType?: string;
}

export interface StageOptions {
  readonly taskId?: string;
  /** When it happened, for a stage that is known only later. Default now. */
  readonly moment?: Moment;
}

/** A stage's flat fields. */
export type StageFields = Readonly<Record<string, JsonPrimitive | readonly JsonPrimitive[] | undefined>>;

interface HeldStage {
  readonly stage: Stage;
  readonly fields: JsonObject;
  readonly moment: Moment;
  /** The one task that it concerns; undefined: all of them. */
  readonly taskId: string | undefined;
}

/** By which header each vendor marks its deliveries, and which ones say more. */
const VENDORS = [
  { provider: 'github', mark: 'x-github-event', id: 'x-github-delivery', event: 'x-github-event' },
  { provider: 'jira', mark: 'x-atlassian-webhook-identifier', id: 'x-atlassian-webhook-identifier' },
  { provider: 'slack', mark: 'x-slack-signature' },
] as const;

/**
 * One webhook request, from its first byte to its answer. Stages are held until the tasks are known and then recorded
 * once per task, with the times at which they happened.
 */
export class Delivery {
  readonly #scope: Scope;
  readonly #held: HeldStage[] = [];
  readonly #taskIds: string[] = [];
  #provider: string;
  #deliveryId: string | undefined;
  #eventType: string | undefined;
  #outcome: DeliveryOutcome | undefined;
  #reason: string | undefined;
  /** Of a duplicate: what it asks for is done or under way. */
  #earlierTaskIds: readonly string[] = [];
  #isDiscarded = false;

  constructor(scope: Scope, identity: DeliveryIdentity) {
    this.#scope = scope;
    this.#provider = identity.provider ?? 'unknown';
    this.describe(identity);
  }

  get taskIds(): readonly string[] {
    return this.#taskIds;
  }

  get scope(): Scope {
    return this.#scope;
  }

  describe(identity: DeliveryIdentity): void {
    this.#provider = identity.provider ?? this.#provider;
    this.#deliveryId = identity.deliveryId ?? this.#deliveryId;
    this.#eventType = identity.eventType ?? this.#eventType;
  }

  /**
   * A stage that concerns every task of this delivery, or the one that `options` name; that one may still be to come,
   * as `task({ taskId })`.
   */
  stage(stage: Stage, fields: StageFields = {}, { taskId, moment }: StageOptions = {}): void {
    if (!this.#scope.recording || this.#isDiscarded) return;
    const plain = toJsonValue(fields);
    const held = { stage, fields: isJsonObject(plain) ? plain : {}, moment: moment ?? mintMoment(), taskId };
    const attributes = this.#stageAttributes(held);
    this.#scope.addSpanEvent(stageEventName(stage), attributes, held.moment.timeMs);
    this.#held.push(held);
    for (const id of this.#taskIds) if (concerns(held, id)) this.#emitStage(held, id);
  }

  /** A task that this delivery starts: the stages so far become its own, with their times. */
  task(input: TaskInput): QueuedTask {
    const id = input.taskId === undefined ? mintTaskId() : checkId('task id', input.taskId);
    for (const held of this.#held) if (concerns(held, id)) this.#emitStage(held, id);
    this.#taskIds.push(id);
    const task = new QueuedTask(id, input, { scope: this.#scope, stage: this.stage.bind(this) });
    this.stage(
      'task_created',
      { task_id: id, agent: input.agent, command: commandOf(input) },
      { taskId: id },
    );
    return task;
  }

  /** Why there is no task: rejected, duplicate or unmatched. A delivery with tasks is accepted. */
  outcome(outcome: DeliveryOutcome, reason?: string, earlierTaskIds: readonly string[] = []): void {
    this.#outcome = outcome;
    this.#reason = reason;
    this.#earlierTaskIds = earlierTaskIds;
  }

  /** Leaves no trace of this delivery, neither a record nor a span; one that has started a task cannot be unmade. */
  discard(): void {
    if (this.#taskIds.length > 0) throw new TypeError('a delivery with tasks cannot be discarded');
    this.#isDiscarded = true;
  }

  /** Records the delivery as a whole; `httpStatus` is the answer's. A second call does nothing. */
  end(httpStatus?: number, error?: unknown): void {
    if (this.#scope.ended || this.#isDiscarded) return;
    const ids = this.#taskIds;
    for (const held of this.#held) {
      // A task that came from elsewhere: it gets what was said of it.
      if (held.taskId !== undefined && !ids.includes(held.taskId)) this.#emitStage(held, held.taskId);
    }
    const stages = [...this.#held].sort(byMoment).map(stageLine);
    const failure = error === undefined ? undefined : failureOf(error);
    const unfinished = failure === undefined ? 'unmatched' : 'rejected';
    this.#scope.emit(EVENT.delivery, {
      body: {
        event_type: this.#eventType ?? null,
        outcome: this.#outcome ?? (ids.length > 0 ? 'accepted' : unfinished),
        reason: this.#reason ?? failure?.message ?? null,
        task_ids: [...ids, ...this.#earlierTaskIds],
        stages: stages as readonly JsonValue[],
      },
      attributes: this.#identityAttributes(),
    });
    this.#scope.setAttributes({
      ...taskIdAttributes(withTaskIds(ROOT_CONTEXT, ids)),
      ...this.#identityAttributes(),
      [ATTR.httpStatus]: httpStatus,
    });
    // HTTP conventions: a 4xx is the client's failure and leaves a server span's status unset.
    if (failure !== undefined) this.#scope.end(failure);
    else this.#scope.end((httpStatus ?? 200) >= 500 ? { errorType: String(httpStatus) } : undefined);
  }

  #emitStage(held: HeldStage, taskId: string): void {
    this.#scope.emit(stageEventName(held.stage), {
      attributes: { [ATTR.taskId]: taskId, ...this.#stageAttributes(held) },
      moment: held.moment,
    });
  }

  #stageAttributes(held: HeldStage): Record<string, JsonValue | undefined> {
    const out: Record<string, JsonValue | undefined> = {
      ...this.#identityAttributes(),
      [ATTR.webhookStage]: held.stage,
    };
    for (const [name, value] of Object.entries(held.fields)) {
      if (value === undefined || value === null) continue;
      out[ATTR.webhookPrefix + name] = value;
    }
    return out;
  }

  #identityAttributes(): Record<string, string | undefined> {
    return { [ATTR.webhookProvider]: this.#provider, [ATTR.webhookDeliveryId]: this.#deliveryId };
  }
}

/**
 * Records a webhook request that the caller's own code answers. Ends the delivery when `fn` is done, whatever happens;
 * `fn`'s own exception comes back unchanged. A `traceparent` header becomes a link, not a parent.
 */
export async function recordDelivery<T>(
  request: WebhookRequest,
  fn: (delivery: Delivery) => Promise<T> | T,
): Promise<T> {
  const delivery = startDelivery(request, identityOf(request));
  try {
    const value = await context.with(delivery.scope.context, async () => fn(delivery));
    delivery.end();
    return value;
  } catch (error) {
    delivery.end(undefined, error);
    throw error;
  }
}

export function startDelivery(request: WebhookRequest, identity: DeliveryIdentity = {}): Delivery {
  const path = pathOf(request);
  const method = request.method ?? 'POST';
  const remote = readTraceparent(request.headers.traceparent);
  // The trace of a delivery is its own: whoever called us, and the caller's own server span around us, are links.
  const around = trace.getSpanContext(context.active());
  const links: Link[] = [];
  if (remote !== undefined) links.push({ context: { ...remote, isRemote: true } });
  if (around !== undefined) links.push({ context: around });
  const scope = new Scope({
    name: `${method} ${path}`,
    kind: 'server',
    parent: ROOT_CONTEXT,
    links,
    attributes: { [ATTR.httpMethod]: method, [ATTR.httpRoute]: path, [ATTR.urlPath]: path },
  });
  return new Delivery(scope, { provider: path.split('/').filter(Boolean).pop() ?? 'unknown', ...identity });
}

/** What the vendors that we know say in their headers. */
function identityOf({ headers }: WebhookRequest): DeliveryIdentity {
  const read = (name: string | undefined): string | undefined => {
    const value = name === undefined ? undefined : headers[name];
    return typeof value === 'string' && value !== '' ? unverifiedText(value) : undefined;
  };
  const vendor = VENDORS.find(({ mark }) => headers[mark] !== undefined);
  if (vendor === undefined) return {};
  const deliveryId = read('id' in vendor ? vendor.id : undefined);
  const eventType = read('event' in vendor ? vendor.event : undefined);
  return {
    provider: vendor.provider,
    ...(deliveryId !== undefined && { deliveryId }),
    ...(eventType !== undefined && { eventType }),
  };
}

/** Without the query, and without the host that a proxy's form of the address would bring along. */
function pathOf(request: WebhookRequest): string {
  const [path = ''] = (request.originalUrl ?? request.url ?? '/').split(/[?#]/, 1);
  return unverifiedText(path.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '')) || '/';
}

function concerns(held: HeldStage, taskId: string): boolean {
  return held.taskId === undefined || held.taskId === taskId;
}

function byMoment(a: HeldStage, b: HeldStage): number {
  if (a.moment.eventId === b.moment.eventId) return 0;
  return a.moment.eventId < b.moment.eventId ? -1 : 1;
}

function stageLine({ stage, fields, moment }: HeldStage): StageLine {
  return { timestamp: isoFromMs(moment.timeMs), stage, ...fields };
}

function commandOf(input: TaskInput): string | undefined {
  const command = input.metadata?.command;
  return typeof command === 'string' ? command : undefined;
}
