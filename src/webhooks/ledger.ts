import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../errors.ts';
import type { DeliveryPage, DeliveryQuery } from '../model/delivery.ts';
import type { TaskPage, TaskQuery } from '../model/task-reading.ts';
import { isoFromMs } from '../model/time.ts';

/** What an earlier process made of a delivery. */
export interface KnownDelivery {
  /** Command -> the task that it started. */
  readonly tasks: ReadonlyMap<string, string>;
  /** False: that process was killed before it had answered, perhaps before it had started every task. */
  readonly isAnswered: boolean;
}

/** Which tasks a delivery started, also one that an earlier process took. */
export interface DeliveryLedger {
  /** Undefined when the delivery is not known. Rejects with `ERR_QUEUE_UNAVAILABLE` while nobody can say. */
  find(provider: string, deliveryId: string): Promise<KnownDelivery | undefined>;
}

export interface LedgerOptions {
  listDeliveries(query: DeliveryQuery): Promise<DeliveryPage>;
  /** Tasks of which no delivery tells: of those that were not answered. */
  listTasks?(query: TaskQuery): Promise<TaskPage>;
  /** When what an earlier process left behind is stored. */
  readonly ready?: Promise<unknown>;
  /** Hears of a ledger that cannot be read. Default: a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** GitHub lets a delivery be sent again for three days; one more for the clocks. */
const KEPT_MS = 4 * 24 * 3_600_000;

/** About ten megabytes of ids. */
const DELIVERIES_MAX = 50_000;
const PAGE = 1_000;

/** Those whose deliveries were not answered are the last that a killed process took; it had no more at a time. */
const TASKS_MAX = 500;

/**
 * How long a delivery waits for what an earlier process left to be stored. Slack wants its answer within 3 s, the others give
 * up after some ten; whoever is answered 503 then may send it again.
 */
const FIND_MS = 8_000;
const FIND_SLACK_MS = 2_500;

/** A store that cannot be read is not asked with every delivery. */
const RETRY_MS = 10_000;

/**
 * Reads, at its first use, the deliveries of the last days from where they are stored. A store that fails lets deliveries
 * through: a task that starts twice is better than one that never starts.
 */
export function createLedger(options: LedgerOptions): DeliveryLedger {
  const ledger = new StoredLedger(options);
  return { find: (provider, deliveryId) => ledger.find(provider, deliveryId) };
}

class StoredLedger {
  readonly #options: LedgerOptions;
  readonly #known = new Map<string, KnownDelivery>();
  #loading: Promise<void> | undefined;
  #isLoaded = false;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  async find(provider: string, deliveryId: string): Promise<KnownDelivery | undefined> {
    this.#loading ??= this.#load();
    if (!this.#isLoaded) {
      const waitMs = provider === 'slack' ? FIND_SLACK_MS : FIND_MS;
      const isDone = await within(
        waitMs,
        this.#loading.then(() => true),
      );
      // To take it for new would start what an earlier process has taken once more.
      if (isDone !== true) throw notReady();
    }
    return this.#known.get(keyOf(provider, deliveryId) ?? '');
  }

  async #load(): Promise<void> {
    // Whether it went well or not: then there is no more to come.
    await Promise.allSettled([this.#options.ready]);
    await this.#read();
    this.#isLoaded = true;
  }

  async #read(): Promise<void> {
    const since = isoFromMs(Date.now() - KEPT_MS);
    try {
      await this.#readDeliveries(since);
      await this.#readTasks(since);
    } catch (error) {
      (this.#options.onError ?? warn)(error);
      setTimeout(() => {
        this.#loading = undefined;
        this.#isLoaded = false;
      }, RETRY_MS).unref();
    }
  }

  async #readDeliveries(since: string): Promise<void> {
    let cursor: string | undefined;
    for (let read = 0; read < DELIVERIES_MAX; ) {
      const query = { outcome: 'accepted', since, limit: PAGE, cursor } as const;
      const { items, nextCursor } = await this.#options.listDeliveries(query);
      for (const { provider, delivery_id: id, task_ids: ids } of items) {
        if (!Array.isArray(ids)) continue;
        // Which command was whose is not asked for any more: all of them were started.
        const tasks = ids
          .filter((taskId) => typeof taskId === 'string')
          .map((taskId) => [taskId, taskId] as const);
        this.#keep(keyOf(provider, id), { tasks: new Map(tasks), isAnswered: true });
      }
      read += items.length;
      if (nextCursor === null || items.length === 0) return;
      cursor = nextCursor;
    }
  }

  async #readTasks(since: string): Promise<void> {
    const { listTasks } = this.#options;
    if (listTasks === undefined) return;
    const { items } = await listTasks({ source: 'webhook', since, limit: TASKS_MAX });
    for (const {
      provider,
      webhook_id: id,
      task_id: taskId,
      command,
      status,
      started_at: startedAt,
    } of items) {
      const key = keyOf(provider, id);
      if (key === undefined) continue;
      // One that could not be queued was refused, and may come again.
      const isRefused = status === 'failed' && typeof startedAt !== 'string';
      if (isRefused || this.#known.get(key)?.isAnswered === true) continue;
      if (typeof taskId !== 'string' || typeof command !== 'string') continue;
      const tasks = new Map(this.#known.get(key)?.tasks).set(command, taskId);
      this.#keep(key, { tasks, isAnswered: false });
    }
  }

  #keep(key: string | undefined, known: KnownDelivery): void {
    if (key !== undefined) this.#known.set(key, known);
  }
}

/** Undefined when it takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const stop = new AbortController();
  const late = delay(ms, undefined, { ref: false, signal: stop.signal }).catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
  }
}

function notReady(): TasktrailError {
  return new TasktrailError(
    'ERR_QUEUE_UNAVAILABLE',
    'what an earlier process took is still being stored; send the delivery again',
    { retryable: true },
  );
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error), { type: 'TasktrailWarning' });
}

function keyOf(provider: unknown, deliveryId: unknown): string | undefined {
  return typeof provider === 'string' && typeof deliveryId === 'string'
    ? `${provider}\n${deliveryId}`
    : undefined;
}
