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
import { taskIdAttributes } from './task/attempt.ts';
import type { TaskInput } from './task/describe-task.ts';
import { describeStarted } from './task/describe-task.ts';
import { type MadeTask, QueuedTask, type QueuedTaskOptions } from './task/queued-task.ts';
import { withTaskIds } from './task-context.ts';
import { unverifiedText } from './unverified-text.ts';

/** The parts of an HTTP request that a delivery needs. Requests of Node, Express 4 and Express 5 fit. */
export interface WebhookRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly originalUrl?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface DeliveryIdentity {
  readonly provider?: string;
  /** The vendor's id of the delivery. */
  readonly deliveryId?: string;
  readonly eventType?: string;
  /** The comment, message or issue that the delivery reports, in a form that all its deliveries have in common. */
  readonly subject?: string;
  /** By command: shows that the receiver of the webhook has started it for this subject. */
  readonly subjectMacs?: Readonly<Record<string, string>>;
  /** How often the delivery has come before its tasks could be queued, this time included. */
  readonly tries?: number;
}

export interface StageOptions {
  readonly taskId?: string;
  /** The time of the stage, if it is reported later. Default now. */
  readonly moment?: Moment;
}

/** A delivery that has started tasks. */
export interface AcceptedDelivery {
  readonly provider: string;
  readonly deliveryId: string | null;
  readonly subject: string | null;
  /** Command and id of each task, in the order of the stages. */
  readonly tasks: readonly (readonly [string, string])[];
}

/** The flat fields of a stage. */
export type StageFields = Readonly<Record<string, JsonPrimitive | readonly JsonPrimitive[] | undefined>>;

interface HeldStage {
  readonly stage: Stage;
  readonly fields: JsonObject;
  /** The fields and what identified the delivery then, as the attributes of a record. */
  readonly attributes: Readonly<Record<string, JsonValue | undefined>>;
  readonly moment: Moment;
  /** The task that the stage concerns; undefined for all tasks. */
  readonly taskId: string | undefined;
}

/** The header that identifies the deliveries of each vendor, and the headers with the delivery id and the event type. */
const VENDORS = [
  { provider: 'github', mark: 'x-github-event', id: 'x-github-delivery', event: 'x-github-event' },
  { provider: 'jira', mark: 'x-atlassian-webhook-identifier', id: 'x-atlassian-webhook-identifier' },
  { provider: 'slack', mark: 'x-slack-signature' },
] as const;

/**
 * One webhook request, from its first byte to its response. Stages are held until the tasks are known, and then recorded
 * once per task with their original times.
 */
export class Delivery {
  readonly #scope: Scope;
  readonly #held: HeldStage[] = [];
  readonly #taskIds: string[] = [];
  #provider: string;
  #deliveryId: string | undefined;
  #eventType: string | undefined;
  #subject: string | undefined;
  #subjectMacs: Readonly<Record<string, string>> | undefined;
  #tries: number | undefined;
  /** Tasks that no record names: they could not be queued. */
  readonly #withdrawn = new Set<string>();
  #outcome: DeliveryOutcome | undefined;
  #reason: string | undefined;
  /** Tasks of the first delivery that this one repeats. */
  #earlierTaskIds: readonly string[] = [];
  #isDiscarded = false;
  #prove: ((delivery: AcceptedDelivery) => string) | undefined;

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
    this.#subject = identity.subject ?? this.#subject;
    this.#subjectMacs = identity.subjectMacs ?? this.#subjectMacs;
    this.#tries = identity.tries ?? this.#tries;
  }

  /** Records a stage of all tasks of this delivery, or of `options.taskId`, which `task()` may create later. */
  stage(stage: Stage, fields: StageFields = {}, options: StageOptions = {}): void {
    const held = this.#hold(this.#makeStage(stage, fields, options));
    for (const id of this.#taskIds) if (held !== undefined && concerns(held, id)) this.#emitStage(held, id);
  }

  #makeStage(stage: Stage, fields: StageFields, { taskId, moment }: StageOptions): HeldStage {
    const plain = toJsonValue(fields);
    const own = isJsonObject(plain) ? plain : {};
    const attributes = this.#stageAttributes(stage, own);
    return { stage, fields: own, attributes, moment: moment ?? mintMoment(), taskId };
  }

  /** Undefined where nothing is recorded. */
  #hold(held: HeldStage): HeldStage | undefined {
    if (!this.#scope.recording || this.#isDiscarded) return undefined;
    this.#scope.addSpanEvent(stageEventName(held.stage), held.attributes, held.moment.timeMs);
    this.#held.push(held);
    return held;
  }

  /** Creates a task of this delivery. It gets copies of the stages so far, with their times, when it is announced. */
  task(input: TaskInput, options: QueuedTaskOptions = {}): QueuedTask {
    const id = input.taskId === undefined ? mintTaskId() : checkId('task id', input.taskId);
    const fields = { task_id: id, agent: input.agent, command: commandOf(input) };
    const created = ({ taskId, made }: MadeTask): HeldStage =>
      this.#makeStage('task_created', fields, { taskId, moment: made });
    const origin = {
      scope: this.#scope,
      stage: this.stage.bind(this),
      record: (task: MadeTask, describe: () => void) => {
        const { taskId, recorded } = task;
        const isNew = (held: HeldStage): boolean => concerns(held, taskId) && !recorded.has(held.stage);
        for (const held of this.#held) if (isNew(held)) this.#emitStage(held, taskId);
        describe();
        if (!recorded.has('task_created') && this.#scope.recording) this.#emitStage(created(task), taskId);
      },
      join: (task: MadeTask) => {
        this.#taskIds.push(task.taskId);
        this.#hold(created(task));
      },
      withdrawn: (taskId: string) => void this.#withdrawn.add(taskId),
    };
    return new QueuedTask(id, input, origin, options);
  }

  /**
   * Makes a task of a lost process one of this delivery: records the stages that are not among the recorded `stages`, and when
   * there are none of them, what the task is. Its status is left alone: it may have run already.
   */
  takeOver(input: TaskInput & { readonly taskId: string }, stages: ReadonlySet<string>): void {
    const { taskId } = input;
    if (stages.size === 0) describeStarted(this.#scope, taskId, input);
    const fields = { task_id: taskId, agent: input.agent, command: commandOf(input) };
    this.stage('task_created', fields, { taskId });
    this.stage('queue_push', { task_id: taskId, status: 'queued' }, { taskId });
    for (const held of this.#held)
      if (concerns(held, taskId) && !stages.has(held.stage)) this.#emitStage(held, taskId);
    this.#taskIds.push(taskId);
  }

  /** Sets the outcome of a delivery without a task: rejected, duplicate or unmatched. Default with tasks: accepted. */
  outcome(outcome: DeliveryOutcome, reason?: string, earlierTaskIds: readonly string[] = []): void {
    this.#outcome = outcome;
    this.#reason = reason;
    this.#earlierTaskIds = earlierTaskIds;
  }

  /** The record of an accepted delivery gets this code. */
  proveWith(prove: (delivery: AcceptedDelivery) => string): void {
    this.#prove = prove;
  }

  /** Drops the record and the span of this delivery. Throws `TypeError` when it has created a task. */
  discard(): void {
    if (this.#taskIds.length > 0) throw new TypeError('a delivery with tasks cannot be discarded');
    this.#isDiscarded = true;
  }

  /** Records the delivery; `httpStatus` is the status of the response. A second call does nothing. */
  end(httpStatus?: number, error?: unknown): void {
    if (this.#scope.ended || this.#isDiscarded) return;
    const ids = this.#taskIds;
    for (const held of this.#held) {
      // A task of another origin gets the stages that name it.
      const { taskId } = held;
      if (taskId === undefined || ids.includes(taskId) || this.#withdrawn.has(taskId)) continue;
      this.#emitStage(held, taskId);
    }
    const held = [...this.#held].sort(byMoment);
    const stages = held.map(stageLine);
    const failure = error === undefined ? undefined : failureOf(error);
    const unfinished = failure === undefined ? 'unmatched' : 'rejected';
    const outcome = this.#outcome ?? (ids.length > 0 ? 'accepted' : unfinished);
    const mac = outcome === 'accepted' ? this.#prove?.(this.#accepted(held)) : undefined;
    this.#scope.emit(EVENT.delivery, {
      body: {
        event_type: this.#eventType ?? null,
        ...(this.#subject !== undefined && { subject: this.#subject }),
        ...(this.#subjectMacs !== undefined && { subject_macs: this.#subjectMacs }),
        outcome,
        reason: this.#reason ?? failure?.message ?? null,
        ...this.#triesOf(outcome),
        task_ids: [...ids, ...this.#earlierTaskIds],
        stages: stages as readonly JsonValue[],
        ...(mac !== undefined && { mac }),
      },
      attributes: this.#identityAttributes(),
    });
    this.#scope.setAttributes({
      ...taskIdAttributes(withTaskIds(ROOT_CONTEXT, ids)),
      ...this.#identityAttributes(),
      [ATTR.httpStatus]: httpStatus,
    });
    // HTTP semantic conventions: a 4xx is an error of the client and leaves the status of a server span unset.
    if (failure !== undefined) this.#scope.end(failure);
    else this.#scope.end((httpStatus ?? 200) >= 500 ? { errorType: String(httpStatus) } : undefined);
  }

  /** Of a delivery that came more than once, or that was refused with its commands known. */
  #triesOf(outcome: DeliveryOutcome): { tries?: number } {
    const tries = this.#tries ?? 0;
    const isSaid = outcome === 'rejected' ? tries > 0 : outcome === 'accepted' && tries > 1;
    return isSaid ? { tries } : {};
  }

  #accepted(held: readonly HeldStage[]): AcceptedDelivery {
    const tasks = held.flatMap(({ stage, fields: { command, task_id: taskId } }) =>
      stage === 'task_created' && typeof command === 'string' && typeof taskId === 'string'
        ? [[command, taskId] as const]
        : [],
    );
    const provider = this.#provider;
    return { provider, deliveryId: this.#deliveryId ?? null, subject: this.#subject ?? null, tasks };
  }

  #emitStage(held: HeldStage, taskId: string): void {
    this.#scope.emit(stageEventName(held.stage), {
      attributes: { [ATTR.taskId]: taskId, ...held.attributes, ...this.#identityAttributes() },
      moment: held.moment,
    });
  }

  #stageAttributes(stage: Stage, fields: JsonObject): Record<string, JsonValue | undefined> {
    const out: Record<string, JsonValue | undefined> = {
      ...this.#identityAttributes(),
      [ATTR.webhookStage]: stage,
    };
    for (const [name, value] of Object.entries(fields)) {
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
 * Records a webhook request that the caller handles itself: runs `fn` and ends the delivery in any case. Rethrows the
 * exception of `fn` unchanged. A `traceparent` header becomes a span link, not a parent.
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
  // A delivery has its own trace: the span of the sender and the server span around this call are links.
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

/** Provider, delivery id and event type from the headers of a known vendor. */
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

/** Without the query, and without the host of an absolute URL, as proxies send it. */
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
