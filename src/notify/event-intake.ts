import type { JsonObject } from '../model/json.ts';
import { isWanted, type NotificationType, typeOfWorkflowEnd } from '../model/notification.ts';
import { isoFromMs } from '../model/time.ts';
import { taskTraceLinks, workflowTraceLinks } from '../model/trace-url.ts';
import type { Candidate, NotifySource } from './candidate.ts';
import { type Notification, webhookIdOf } from './notification.ts';
import { type LinkParts, payloadText, type TaskFacts, taskData, workflowData } from './notification-body.ts';
import type { Receiver } from './notify-receiver.ts';
import { BUDGET_NOTICE, endOccasion, type Occasion, occasionsOf } from './occasions.ts';
import type { Outbox } from './outbox/receiver-outbox.ts';
import { RETRY_MS_MAX } from './send/send-outcome.ts';

/** Tasks of a workflow whose cost is summed up and that a filter looks at. */
const TASKS_MAX = 50;

export interface Target {
  readonly receiver: Receiver;
  readonly outbox: Outbox;
}

export interface IntakeOptions {
  /** Id of the log directory. */
  readonly directory: string;
  readonly source: NotifySource;
  readonly targets: readonly Target[];
  /** URL templates of trace viewers. */
  readonly traceUrls: readonly string[];
  readonly now: () => number;
}

interface Event {
  readonly subject: string;
  readonly occasion: Occasion;
  /** It was written a moment ago; else it was found later, and its time decides whether it is news. */
  readonly isFresh: boolean;
  dataFor(receiver: Receiver): JsonObject;
  passes(receiver: Receiver): Promise<boolean>;
}

/** Makes notifications of what the store has written, and queues them. */
export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Queues what a candidate says, unless it is queued already. `isFound`: the files say it, not the store. Returns the receivers
   * whose counts have changed.
   */
  async take(candidate: Candidate, isFound: boolean): Promise<readonly Receiver[]> {
    const events =
      candidate.kind === 'task' ? await this.#ofTask(candidate) : await this.#ofWorkflow(candidate, isFound);
    const reached: Receiver[] = [];
    for (const event of events)
      for (const target of this.#options.targets)
        if (await this.#queue(event, target)) reached.push(target.receiver);
    return reached;
  }

  async #queue(event: Event, { receiver, outbox }: Target): Promise<boolean> {
    const { directory, now } = this.#options;
    const { subject, occasion } = event;
    const { type, at } = occasion;
    if (!isWanted(type, receiver.on)) return false;
    const webhookId = webhookIdOf({ directory, type, subject, occasion: occasion.occasion });
    if (outbox.has(webhookId)) return false;
    if (!event.isFresh && !this.#isNews(at, outbox)) return false;
    if (!(await event.passes(receiver))) return false;
    const queuedAt = isoFromMs(now());
    const payload = payloadText({ type, timestamp: at ?? queuedAt, data: event.dataFor(receiver) });
    const reason = outbox.totals.goneAt !== null ? 'gone' : outbox.isFull ? 'queue_full' : null;
    const one: Notification = {
      ...{ webhookId, type, subject, queuedAt, attempts: 0, lastAt: null, lastStatus: null },
      ...{ lastFailure: null, refusedSince: null, reason },
      ...(reason === null
        ? { state: 'pending', nextAt: queuedAt, payload }
        : { state: 'dropped', nextAt: null }),
    };
    await outbox.set(one);
    return true;
  }

  async #ofTask({ id, ended }: Candidate & { readonly kind: 'task' }): Promise<readonly Event[]> {
    const { source, targets } = this.#options;
    const facts = await source.readTask(id);
    if (facts === undefined) return [];
    const isWaitTold = targets.some(({ receiver }) => isWanted('task.waiting_input', receiver.on));
    const waits = isWaitTold ? await source.waitsOf(id) : [];
    const occasions = occasionsOf({ ...facts, waits });
    const written = ended && endOccasion(ended);
    const isWritten = ({ type, occasion }: Occasion): boolean =>
      type === written?.type && occasion === written.occasion;
    const events = occasions.map((occasion) =>
      this.#taskEvent(id, facts, {
        occasion,
        isFresh: isWritten(occasion) || (written !== undefined && occasion.type === 'task.budget_exceeded'),
      }),
    );
    if (ended !== undefined && written !== undefined && !occasions.some(isWritten)) {
      const { status, attempt, completed_at } = ended;
      const then = { metadata: { ...facts.metadata, status, attempt, completed_at }, input: facts.input };
      events.unshift(
        this.#taskEvent(id, { ...then, result: undefined }, { occasion: written, isFresh: true }),
      );
    }
    return events.filter(({ occasion }) =>
      targets.some(({ receiver }) => isWanted(occasion.type, receiver.on)),
    );
  }

  #taskEvent(
    id: string,
    facts: TaskFacts,
    { occasion, isFresh }: Pick<Event, 'occasion' | 'isFresh'>,
  ): Event {
    const { traces = [] } = taskTraceLinks(this.#options.traceUrls, { ...facts.metadata, task_id: id });
    return {
      subject: `task ${id}`,
      occasion: this.#bounded(occasion),
      isFresh,
      dataFor: ({ link }) => taskData(id, withNotice(facts, occasion), { link, traces }),
      passes: async ({ matches }) => matches === undefined || matches(id),
    };
  }

  async #ofWorkflow(
    candidate: Candidate & { readonly kind: 'workflow' },
    isFound: boolean,
  ): Promise<readonly Event[]> {
    const { id, event, eventId, attempt, at, status } = candidate;
    const isEnd = event === 'workflow_complete';
    const type: NotificationType = isEnd ? typeOfWorkflowEnd(status) : 'workflow.approval_requested';
    const { source, targets, traceUrls } = this.#options;
    if (!targets.some(({ receiver }) => isWanted(type, receiver.on))) return [];
    const state = await source.readWorkflow(id);
    if (state === undefined) return [];
    const taskIds = Array.isArray(state.task_ids) ? state.task_ids.slice(0, TASKS_MAX) : [];
    const costUsd = isEnd ? await this.#costOf(taskIds) : null;
    const { traces = [] } = workflowTraceLinks(traceUrls, { ...state, workflow_id: id });
    const stated = status ?? (typeof state.status === 'string' ? state.status : null);
    const occasion = { type, occasion: isEnd ? `attempt ${attempt}` : eventId, at };
    const dataFor = ({ link }: LinkParts | Receiver): JsonObject =>
      workflowData(id, { state, status: stated, attempt, costUsd }, { link, traces });
    return [
      {
        subject: `workflow ${id}`,
        occasion: this.#bounded(occasion),
        isFresh: !isFound,
        dataFor,
        passes: async ({ matches }) => matches === undefined || anyMatches(taskIds, matches),
      },
    ];
  }

  /** Null while no cost is known. */
  async #costOf(taskIds: readonly unknown[]): Promise<number | null> {
    let sum: number | null = null;
    for (const id of taskIds) {
      const facts = typeof id === 'string' ? await this.#options.source.readTask(id) : undefined;
      const data = facts && taskData(String(id), facts, { link: undefined, traces: [] });
      if (typeof data?.cost_usd === 'number') sum = (sum ?? 0) + data.cost_usd;
    }
    return sum;
  }

  /** Not before the receiver was first named, and not long ago: records of a machine that was away for a week. */
  #isNews(at: string | undefined, { totals }: Outbox): boolean {
    const ms = at === undefined ? Number.NaN : Date.parse(at);
    return !(this.#options.now() - ms > RETRY_MS_MAX) && !(ms < Date.parse(totals.begunAt));
  }

  /** A time of the future, by the clock of a sender, is no time of an event. */
  #bounded(occasion: Occasion): Occasion {
    const ms = occasion.at === undefined ? Number.NaN : Date.parse(occasion.at);
    const isTime = !Number.isNaN(ms) && ms <= this.#options.now() + 86_400_000;
    return isTime ? occasion : { ...occasion, at: undefined };
  }
}

/** The facts with the notice of this amount: the document may have a newer one, of another amount. */
function withNotice(facts: TaskFacts, { notice }: Occasion): TaskFacts {
  return notice === undefined
    ? facts
    : { ...facts, metadata: { ...facts.metadata, [BUDGET_NOTICE]: notice } };
}

/** A filter is about tasks: one of them is enough. */
async function anyMatches(
  taskIds: readonly unknown[],
  matches: (taskId: string) => Promise<boolean>,
): Promise<boolean> {
  for (const id of taskIds) if (typeof id === 'string' && (await matches(id))) return true;
  return false;
}
