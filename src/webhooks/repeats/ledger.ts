import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../../errors.ts';
import type { DeliveryPage, DeliveryQuery } from '../../model/delivery.ts';
import { isJsonObject, type JsonObject } from '../../model/json.ts';
import type { TaskPage, TaskQuery } from '../../model/task-reading.ts';
import { isoFromMs } from '../../model/time.ts';
import { warn } from '../../system/warning.ts';
import { createdTasks, isProvenDelivery, isProvenTask, type ProofSource, type Proofs } from './proofs.ts';
import { type OpenFlowWindow, readRecordedStages } from './recorded-stages.ts';

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

/** A command of a comment, message or issue. */
export interface AskedCommand {
  readonly subject: string;
  readonly command: string;
}

/** The tasks that deliveries have started, also in earlier processes. */
export interface DeliveryLedger {
  /** Undefined for a new delivery. Rejects with `ERR_QUEUE_UNAVAILABLE` while that is not yet known. */
  find(provider: string, deliveryId: string): Promise<KnownDelivery | undefined>;
  /** The task of a command of a comment, message or issue, by its name or by the codes of both. Rejects like `find`. */
  findTask?(provider: string, macs: readonly string[], about?: AskedCommand): Promise<KnownTask | undefined>;
  /** The stages that stand in the flow of a task of an earlier process. Default: all of them. */
  readStages?(taskId: string): Promise<ReadonlySet<string>>;
}

export interface LedgerOptions {
  listDeliveries(query: DeliveryQuery): Promise<DeliveryPage>;
  /** Finds the tasks of deliveries that were not answered, which have no delivery record. */
  listTasks?(query: TaskQuery): Promise<TaskPage>;
  /** Reads the flow of a task. Default: the flow of an earlier process counts as complete. */
  readonly openWindow?: OpenFlowWindow;
  /** Resolves when the records of an earlier process are stored. */
  readonly ready?: Promise<unknown>;
  /** A record counts with a proof only. Without this option every record counts that is not marked as another sender's. */
  readonly proofs?: ProofSource | undefined;
  /** ISO 8601: deliveries before this time need no proof, because their version made none. Default: all need one. */
  unprovenBefore?(): Promise<string | undefined>;
  /** Tells which recorded tasks are in the queue or have been. Default: all of them. */
  readKept?(): Promise<(taskId: string) => boolean>;
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
  const { openWindow, onError = warn } = options;
  const ledger = new StoredLedger(options);
  return {
    find: (provider, deliveryId) => ledger.find(provider, deliveryId),
    findTask: (provider, macs, about) => ledger.findTask(provider, macs, about),
    ...(openWindow !== undefined && {
      readStages: (taskId: string) => readRecordedStages(taskId, openWindow, onError),
    }),
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

  async findTask(
    provider: string,
    macs: readonly string[],
    about?: AskedCommand,
  ): Promise<KnownTask | undefined> {
    await this.#loaded(provider);
    const named = about && this.#tasks.get(nameOf(provider, about.subject, about.command) ?? '');
    if (named !== undefined) return named;
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
      const trust = await this.#readTrust();
      await this.#readDeliveries(since, trust);
      await this.#readTasks(since, trust);
    } catch (error) {
      (this.#options.onError ?? warn)(error);
      setTimeout(() => {
        this.#loading = undefined;
        this.#isLoaded = false;
      }, RETRY_MS).unref();
    }
  }

  async #readTrust(): Promise<Trust> {
    const { proofs, unprovenBefore, readKept } = this.#options;
    return {
      needsProof: proofs !== undefined,
      proofs: await proofs?.(),
      formerBefore: await unprovenBefore?.(),
      // Before the tasks are listed: one that ends in between is listed as begun, or was kept.
      isKept: await readKept?.(),
    };
  }

  async #readDeliveries(since: string, trust: Trust): Promise<void> {
    let cursor: string | undefined;
    for (let read = 0; read < DELIVERIES_MAX; ) {
      const query = { outcome: 'accepted', since, limit: PAGE, cursor } as const;
      const { items, nextCursor } = await this.#options.listDeliveries(query);
      for (const item of items) {
        const { provider, delivery_id: id, task_ids: ids } = item;
        const isProven = isProvenDelivery(trust.proofs, item);
        if (!Array.isArray(ids) || !(isProven || countsUnproven(item, trust))) continue;
        for (const { command, mac, taskId } of startedTasks(item)) {
          const key = isProven ? nameOf(provider, item.subject, command) : keyOf(provider, mac);
          this.#keepTask(key, { taskId, isAnswered: true });
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

  async #readTasks(since: string, trust: Trust): Promise<void> {
    const { listTasks } = this.#options;
    if (listTasks === undefined) return;
    const { items } = await listTasks({ source: 'webhook', since, limit: TASKS_MAX });
    for (const item of items) {
      const { provider, webhook_id: id, webhook_subject_mac: mac, task_id: taskId, command } = item;
      if (typeof taskId !== 'string' || typeof command !== 'string') continue;
      const isProven = isProvenTask(trust.proofs, item);
      if (wasRefused(item, trust) || !(isProven || countsUnprovenTask(item, trust))) continue;
      const named = isProven ? nameOf(provider, item.webhook_subject, command) : keyOf(provider, mac);
      this.#keepTask(named, { taskId, isAnswered: false });
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

/** What makes a record count. */
interface Trust {
  readonly needsProof: boolean;
  readonly proofs: Proofs | undefined;
  readonly formerBefore: string | undefined;
  readonly isKept: ((taskId: string) => boolean) | undefined;
}

/** Of a version without proofs. The store marks the lines of other senders. */
function countsUnproven(line: JsonObject, { needsProof, formerBefore }: Trust): boolean {
  if (line.sender !== undefined) return false;
  if (!needsProof) return true;
  return formerBefore !== undefined && typeof line.timestamp === 'string' && line.timestamp < formerBefore;
}

/** The unfinished tasks of such a version are kept. Its ended ones were answered, as a rule. */
function countsUnprovenTask(metadata: JsonObject, { needsProof, formerBefore, isKept }: Trust): boolean {
  if (metadata.sender !== undefined) return false;
  return !needsProof || (formerBefore !== undefined && isKept?.(String(metadata.task_id)) === true);
}

/** A task that could not be queued, or whose process was killed before. Its delivery may be sent again. */
function wasRefused(
  { task_id: taskId, status, started_at: startedAt }: JsonObject,
  { isKept }: Trust,
): boolean {
  if (typeof startedAt === 'string') return false;
  return status === 'failed' || (status === 'queued' && isKept?.(String(taskId)) === false);
}

interface StartedTask {
  readonly command: string;
  readonly mac: unknown;
  readonly taskId: string;
}

/** The tasks that a delivery has started, with the code of each. */
function startedTasks({ stages, task_ids: ids, subject_macs: macs }: JsonObject): readonly StartedTask[] {
  if (!isJsonObject(macs) || !Array.isArray(ids)) return [];
  return createdTasks(stages)
    .filter(([command, taskId]) => Object.hasOwn(macs, command) && ids.includes(taskId))
    .map(([command, taskId]) => ({ command, mac: macs[command], taskId }));
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

/** A command of a comment, message or issue. Not the same as any `keyOf`, which has one line feed. */
function nameOf(provider: unknown, subject: unknown, command: string): string | undefined {
  const key = keyOf(provider, subject);
  return key === undefined ? undefined : `${key}\nsubject\n${command}`;
}

function keyOf(provider: unknown, deliveryId: unknown): string | undefined {
  return typeof provider === 'string' && typeof deliveryId === 'string'
    ? `${provider}\n${deliveryId}`
    : undefined;
}
