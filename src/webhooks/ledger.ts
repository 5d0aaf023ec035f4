import { setTimeout as delay } from 'node:timers/promises';
import type { DeliveryPage, DeliveryQuery } from '../model/delivery.ts';
import { isoFromMs } from '../model/time.ts';

/** Which tasks a delivery started, also one that an earlier process took. */
export interface DeliveryLedger {
  /** Undefined when the delivery is not known. Never rejects. */
  find(provider: string, deliveryId: string): Promise<readonly string[] | undefined>;
}

export interface LedgerOptions {
  listDeliveries(query: DeliveryQuery): Promise<DeliveryPage>;
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

/** Slack wants its answer within 3 s: a delivery waits so long for what an earlier process left, and for all of it. */
const READY_MS = 2_000;
const FIND_MS = 2_500;

/** A store that cannot be read is not asked with every delivery. */
const RETRY_MS = 10_000;

/**
 * Reads, at its first use, the deliveries of the last days from where they are stored. One that cannot be read lets
 * deliveries through: a task that starts twice is better than one that never starts.
 */
export function createLedger(options: LedgerOptions): DeliveryLedger {
  const ledger = new StoredLedger(options);
  return { find: (provider, deliveryId) => ledger.find(provider, deliveryId) };
}

class StoredLedger {
  readonly #options: LedgerOptions;
  readonly #taskIds = new Map<string, readonly string[]>();
  #loading: Promise<void> | undefined;
  #isLoaded = false;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  async find(provider: string, deliveryId: string): Promise<readonly string[] | undefined> {
    this.#loading ??= this.#load();
    if (!this.#isLoaded) await within(FIND_MS, this.#loading);
    return this.#taskIds.get(keyOf(provider, deliveryId));
  }

  async #load(): Promise<void> {
    const ready = (this.#options.ready ?? Promise.resolve()).then(
      () => true,
      () => true,
    );
    const isReady = await within(READY_MS, ready);
    await this.#read();
    this.#isLoaded = true;
    // What was still on its way is read when it has arrived.
    if (isReady !== true) void ready.then(() => this.#read());
  }

  async #read(): Promise<void> {
    const since = isoFromMs(Date.now() - KEPT_MS);
    try {
      let cursor: string | undefined;
      for (let read = 0; read < DELIVERIES_MAX; ) {
        const query = { outcome: 'accepted', since, limit: PAGE, cursor } as const;
        const { items, nextCursor } = await this.#options.listDeliveries(query);
        for (const item of items) this.#keep(item);
        read += items.length;
        if (nextCursor === null || items.length === 0) return;
        cursor = nextCursor;
      }
    } catch (error) {
      (this.#options.onError ?? warn)(error);
      setTimeout(() => {
        this.#loading = undefined;
        this.#isLoaded = false;
      }, RETRY_MS).unref();
    }
  }

  #keep({ provider, delivery_id, task_ids }: DeliveryPage['items'][number]): void {
    if (typeof provider !== 'string' || typeof delivery_id !== 'string' || !Array.isArray(task_ids)) return;
    const key = keyOf(provider, delivery_id);
    if (!this.#taskIds.has(key))
      this.#taskIds.set(
        key,
        task_ids.filter((id) => typeof id === 'string'),
      );
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

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error), { type: 'TasktrailWarning' });
}

function keyOf(provider: string, deliveryId: string): string {
  return `${provider}\n${deliveryId}`;
}
