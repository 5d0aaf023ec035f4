import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../../errors.ts';
import type { DeliveryPage, DeliveryQuery } from '../../model/delivery.ts';
import { isJsonObject, type JsonObject } from '../../model/json.ts';
import type { TaskPage, TaskQuery } from '../../model/task-reading.ts';
import { isoFromMs } from '../../model/time.ts';
import { warn } from '../../system/warning.ts';

/** A delivery that an earlier process has received. */
export interface KnownDelivery {
  /** Ids of its tasks, by command. */
  readonly tasks: ReadonlyMap<string, string>;
  /** False when the process was killed before its answer, and perhaps before it had started every task. */
  readonly isAnswered: boolean;
}

export interface KnownTask {
  readonly taskId: string;
  /** As in `KnownDelivery`. */
  readonly isAnswered: boolean;
}

/** The tasks that deliveries have started, also in earlier processes. */
export interface DeliveryLedger {
  /** Undefined for a new delivery. Rejects with `ERR_QUEUE_UNAVAILABLE` while that is not yet known. */
  find(provider: string, deliveryId: string): Promise<KnownDelivery | undefined>;
  /** The task of a command of a comment, message or issue, by the codes of both. Rejects like `find`. */
  findTask?(provider: string, macs: readonly string[]): Promise<KnownTask | undefined>;
}

export interface LedgerOptions {
  listDeliveries(query: DeliveryQuery): Promise<DeliveryPage>;
  /** Finds the tasks of deliveries that were not answered, which have no delivery record. */
  listTasks?(query: TaskQuery): Promise<TaskPage>;
  /** Resolves when the records of an earlier process are stored. */
  readonly ready?: Promise<unknown>;
  /** Receives a failure to read the ledger. Default: a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** GitHub can send a delivery again for three days. One more day covers clocks that differ. */
export const KEPT_MS: number = 4 * 24 * 3_600_000;

/** About ten megabytes of memory. */
const DELIVERIES_MAX = 50_000;
const PAGE = 1_000;

/** Only the last tasks of a killed process can have unanswered deliveries. It handles fewer than this at a time. */
const TASKS_MAX = 500;

/**
 * How long a delivery waits until the records of an earlier process are stored. Slack expects an answer within 3 s, other
 * senders within 10 s. After a 503 the sender may try again.
 */
const FIND_MS = 8_000;
const FIND_SLACK_MS = 2_500;

/** A store that cannot be read is not read again for every delivery. */
const RETRY_MS = 10_000;

/**
 * Reads the stored deliveries of the last days at its first use. When that fails, every delivery counts as new: a task that
 * starts twice is better than one that never starts.
 */
export function createLedger(options: LedgerOptions): DeliveryLedger {
  const ledger = new StoredLedger(options);
  return {
    find: (provider, deliveryId) => ledger.find(provider, deliveryId),
    findTask: (provider, macs) => ledger.findTask(provider, macs),
  };
}

class StoredLedger {
  readonly #options: LedgerOptions;
  readonly #known = new Map<string, KnownDelivery>();
  /** Tasks by provider and the code of their subject and command. */
  readonly #tasks = new Map<string, KnownTask>();
  #loading: Promise<void> | undefined;
  #isLoaded = false;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  async find(provider: string, deliveryId: string): Promise<KnownDelivery | undefined> {
    await this.#loaded(provider);
    return this.#known.get(keyOf(provider, deliveryId) ?? '');
  }

  async findTask(provider: string, macs: readonly string[]): Promise<KnownTask | undefined> {
    await this.#loaded(provider);
    const found = macs.map((mac) => this.#tasks.get(keyOf(provider, mac) ?? ''));
    return found.find((task) => task !== undefined);
  }

  async #loaded(provider: string): Promise<void> {
    this.#loading ??= this.#load();
    if (!this.#isLoaded) {
      const waitMs = provider === 'slack' ? FIND_SLACK_MS : FIND_MS;
      const isDone = await within(
        waitMs,
        this.#loading.then(() => true),
      );
      // If it counted as new, a task of an earlier process could start again.
      if (isDone !== true) throw notReady();
    }
  }

  async #load(): Promise<void> {
    // A failure is final, too: no more records will follow.
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
      for (const item of items) {
        const { provider, delivery_id: id, task_ids: ids } = item;
        if (!Array.isArray(ids)) continue;
        for (const [mac, taskId] of startedTasks(item)) {
          this.#keepTask(keyOf(provider, mac), { taskId, isAnswered: true });
        }
        // The commands are not needed: all of them were started.
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
      webhook_subject_mac: mac,
      task_id: taskId,
      command,
      status,
      started_at: startedAt,
    } of items) {
      // A task that could not be queued was refused. Its delivery may be sent again.
      const isRefused = status === 'failed' && typeof startedAt !== 'string';
      if (isRefused || typeof taskId !== 'string' || typeof command !== 'string') continue;
      this.#keepTask(keyOf(provider, mac), { taskId, isAnswered: false });
      const key = keyOf(provider, id);
      if (key === undefined || this.#known.get(key)?.isAnswered === true) continue;
      const tasks = new Map(this.#known.get(key)?.tasks).set(command, taskId);
      this.#keep(key, { tasks, isAnswered: false });
    }
  }

  #keepTask(key: string | undefined, task: KnownTask): void {
    if (key !== undefined && this.#tasks.get(key)?.isAnswered !== true) this.#tasks.set(key, task);
  }

  #keep(key: string | undefined, known: KnownDelivery): void {
    if (key !== undefined) this.#known.set(key, known);
  }
}

/** Code and id of each task that a delivery has started. */
function startedTasks(line: JsonObject): readonly (readonly [unknown, string])[] {
  const { stages, task_ids: ids, subject_macs: macs } = line;
  const started: (readonly [unknown, string])[] = [];
  if (!isJsonObject(macs)) return started;
  for (const stage of Array.isArray(stages) ? stages : []) {
    if (!isJsonObject(stage) || stage.stage !== 'task_created') continue;
    const { command, task_id: taskId } = stage;
    if (typeof command !== 'string' || typeof taskId !== 'string') continue;
    if (!Object.hasOwn(macs, command)) continue;
    if (Array.isArray(ids) && ids.includes(taskId)) started.push([macs[command], taskId]);
  }
  return started;
}

/** Undefined after a timeout. */
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
    'deliveries of an earlier process are still being stored; send this one again',
    { retryable: true },
  );
}

function keyOf(provider: unknown, deliveryId: unknown): string | undefined {
  return typeof provider === 'string' && typeof deliveryId === 'string'
    ? `${provider}\n${deliveryId}`
    : undefined;
}
