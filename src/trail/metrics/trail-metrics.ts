import { type Counter, type Meter, metrics, type ObservableCallback } from '@opentelemetry/api';
import type { Books } from '../../books.ts';
import type { GaugePoint, GaugeReading } from '../../export/gauge-producer.ts';
import { ATTR } from '../../model/attributes.ts';
import { DELIVERY_OUTCOMES } from '../../model/documents.ts';
import { objectOf } from '../../model/json.ts';
import { COMPLETENESS_FLAGS } from '../../model/workflow.ts';
import type { StoreObserver } from '../../store/write/observer.ts';
import type { DeliveryFacts, TaskEndFacts, WorkflowEndFacts } from './end-facts.ts';
import { type FailedReader, FailedTasks } from './failed-tasks.ts';
import { runningTasks, unreadyParts } from './gauges.ts';
import { MetricLabels } from './labels.ts';
import type { OpenTasks } from './open-tasks.ts';
import { observeBooks } from './process.ts';
import { reasonWord } from './reasons.ts';
import { AMOUNTS, newAmounts } from './usage-delta.ts';

const STATUS = 'tasktrail.task.status';
const SOURCE = 'tasktrail.task.source';
const TOKEN_TYPE = 'gen_ai.token.type';

/** Workflows with pending approvals. Real setups have fewer; senders choose the ids, so the map needs a bound. */
const WAITING_MAX = 10_000;

/** Undefined when the store does not answer now. */
export type OpenTasksReader = () => Promise<OpenTasks | undefined>;

/** Gauges that a process cannot find in the store without reading all of it. Plain data. */
export interface SharedGauges {
  readonly failed: readonly GaugePoint[];
  /** Approvals by workflow. */
  readonly approvals: readonly (readonly [string, number])[];
}

type CounterName = keyof typeof COUNTERS;

/** Units are in braces: Prometheus adds no suffix for them, so `/metrics` and a collector export the same names. */
const COUNTERS = {
  tasksEnded: ['tasktrail.tasks.ended', '{task}', 'Tasks that have ended'],
  cost: ['tasktrail.cost', '{usd}', 'Cost of tasks, in US dollars'],
  tokens: ['tasktrail.tokens', '{token}', 'Tokens that tasks have used; cached ones are part of the input'],
  workflowsEnded: ['tasktrail.workflows.ended', '{workflow}', 'Workflows that have ended'],
  workflowFlags: [
    'tasktrail.workflow.flags',
    '{flag}',
    'Missing or contradictory data in workflows that have ended',
  ],
  workflowRetries: ['tasktrail.workflow.retries', '{retry}', 'Retries of steps and phases of workflows'],
  deliveries: ['tasktrail.webhook.deliveries', '{delivery}', 'Webhook deliveries'],
} as const;

/** The most that one task, workflow or delivery adds. A run of a day costs some hundred dollars and some billion tokens. */
const COUNTED_MAX: Readonly<Record<CounterName, number>> = {
  tasksEnded: 1,
  cost: 10_000,
  tokens: 100_000_000_000,
  workflowsEnded: 1,
  workflowFlags: 1,
  workflowRetries: 1_000_000,
  deliveries: 1_000_000_000,
};

/**
 * The metrics of this process, on the meter `tasktrail` of the global provider, which must be registered before. As an
 * observer of the store it counts the documents that the store writes.
 */
export class TrailMetrics implements StoreObserver {
  readonly #meter: Meter;
  readonly #labels = new MetricLabels();
  readonly #counters: Readonly<Record<CounterName, Counter>>;
  readonly #failed = new FailedTasks();
  readonly #waiting = new Map<string, number>();
  readonly #closers: (() => void)[] = [];
  #books: Books | undefined;
  #readOpenTasks: OpenTasksReader | undefined;
  /** Whether the gauges of the store are those of another process. */
  #isShared = false;

  constructor() {
    this.#meter = metrics.getMeter('tasktrail');
    const counter = (name: CounterName): Counter => {
      const [id, unit, description] = COUNTERS[name];
      return this.#meter.createCounter(id, { unit, description });
    };
    this.#counters = {
      tasksEnded: counter('tasksEnded'),
      cost: counter('cost'),
      tokens: counter('tokens'),
      workflowsEnded: counter('workflowsEnded'),
      workflowFlags: counter('workflowFlags'),
      workflowRetries: counter('workflowRetries'),
      deliveries: counter('deliveries'),
    };
  }

  /** Starts to observe the counters of this process. */
  watchProcess(books: Books): void {
    this.#books = books;
    this.#closers.push(observeBooks(this.#meter, books, this.#labels));
  }

  /** Starts to observe the open tasks of the store. */
  watchStore(readOpenTasks: OpenTasksReader): void {
    this.#readOpenTasks = readOpenTasks;
    this.#observe('tasktrail.tasks.open', '{task}', 'Open tasks', async (result) => {
      const tasks = await readOpenTasks();
      if (tasks === undefined) return;
      result.observe(tasks.running, { [STATUS]: 'running' });
      result.observe(tasks.waitingInput, { [STATUS]: 'waiting_input' });
    });
    this.#observe('tasktrail.approvals.waiting', '{approval}', 'Pending approvals', (result) => {
      if (this.#isShared) return;
      let sum = 0;
      for (const count of this.#waiting.values()) sum += count;
      result.observe(sum);
    });
  }

  /**
   * Gauges whose series come and go. They are not on the meter: the SDK exports each series until the process ends, and
   * drops new ones after 2,000.
   */
  async readGauges(): Promise<readonly GaugeReading[]> {
    const gauges: GaugeReading[] = [];
    if (this.#books !== undefined) gauges.push(unreadyParts(this.#books, this.#labels));
    if (this.#readOpenTasks === undefined || this.#isShared) return gauges;
    const newest = (await this.#readOpenTasks())?.newest;
    if (newest !== undefined) gauges.push(runningTasks(newest, this.#labels));
    return [...gauges, this.#failed.reading()];
  }

  /** Of several processes that share a store, one has its gauges: those of the one before it. */
  takeOver({ failed = [], approvals = [] }: Partial<SharedGauges>): void {
    this.#failed.takeOver(failed);
    this.#waiting.clear();
    for (const [id, count] of approvals) this.approvalsWait(id, count);
    this.#isShared = false;
  }

  /** Another process has the gauges of the store now. Counters keep their values: their sums are those of all processes. */
  handOver(): void {
    this.#isShared = true;
  }

  /** For the process that takes them over. */
  get shared(): SharedGauges {
    return { failed: this.#failed.reading().points, approvals: [...this.#waiting] };
  }

  /** Stops to observe; counters keep their values. */
  close(): void {
    for (const close of this.#closers.splice(0)) close();
  }

  /** Loads the most recently failed tasks of earlier processes. Never rejects. */
  async load(reader: FailedReader): Promise<void> {
    await this.#failed.load(reader, this.#labels);
  }

  taskEnded(end: TaskEndFacts): void {
    const { metadata, result, before } = end;
    this.#failed.ended(end, this.#labels);
    const agent = { [ATTR.genAiAgentName]: metadata.assigned_agent };
    const origin = { [ATTR.webhookProvider]: metadata.provider, [SOURCE]: metadata.source };
    if (before?.status !== result.status) {
      const outcome = { [STATUS]: result.status, [ATTR.errorType]: result.error_type };
      this.#add('tasksEnded', 1, { ...outcome, ...origin, ...agent });
    }
    for (const [model, amounts] of newAmounts(result.metrics, before?.metrics, metadata.model ?? '')) {
      const labels = { ...agent, [ATTR.genAiRequestModel]: model, ...origin };
      for (const amount of AMOUNTS) {
        if (amounts[amount] === 0) continue;
        if (amount === 'cost_usd') this.#add('cost', amounts[amount], labels);
        else
          this.#add('tokens', amounts[amount], { ...labels, [TOKEN_TYPE]: amount.replace(/_tokens$/, '') });
      }
    }
  }

  workflowEnded({ name, document, before }: WorkflowEndFacts): void {
    const workflow = { [ATTR.genAiWorkflowName]: name };
    const isNewEnd = before?.attempt !== document.attempt;
    if (isNewEnd) {
      const { status = 'unknown' } = objectOf(document.payload);
      this.#add('workflowsEnded', 1, { ...workflow, 'tasktrail.workflow.status': status });
    }
    for (const flag of COMPLETENESS_FLAGS) {
      if (!document.completeness[flag] || (!isNewEnd && before?.completeness[flag])) continue;
      this.#add('workflowFlags', 1, { ...workflow, 'tasktrail.workflow.flag': flag });
    }
    this.#add('workflowRetries', document.measured.retries - (before?.measured.retries ?? 0), workflow);
  }

  approvalsWait(workflowId: string, count: number): void {
    if (count === 0) this.#waiting.delete(workflowId);
    else if (this.#waiting.has(workflowId) || this.#waiting.size < WAITING_MAX) {
      this.#waiting.set(workflowId, count);
    }
  }

  deliveryStored({ provider, outcome, reason, count, reasons }: DeliveryFacts): void {
    const boundedOutcome = DELIVERY_OUTCOMES.some((known) => known === outcome) ? outcome : 'other';
    const add = (value: number, cause: string | null): void => {
      const labels = { [ATTR.webhookProvider]: provider, 'tasktrail.webhook.outcome': boundedOutcome };
      this.#add('deliveries', value, { ...labels, 'tasktrail.webhook.reason': reasonWord(cause) });
    };
    // The line of a flood has counts by reason.
    const parts = Object.entries(reasons ?? {});
    if (parts.length === 0) add(count ?? 1, reason);
    for (const [cause, value] of parts) add(value, cause);
  }

  /** Ignores values that no task has: senders choose them, and one of them must not rule a sum, decrease it or make it NaN. */
  #add(name: CounterName, value: number, attributes: Readonly<Record<string, unknown>>): void {
    if (!(value > 0 && value <= COUNTED_MAX[name])) return;
    this.#counters[name].add(value, this.#labels.bounded(attributes));
  }

  #observe(name: string, unit: string, description: string, read: ObservableCallback): void {
    const gauge = this.#meter.createObservableGauge(name, { unit, description });
    gauge.addCallback(read);
    this.#closers.push(() => gauge.removeCallback(read));
  }
}
