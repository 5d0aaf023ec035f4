import { LRUCache } from 'lru-cache';
import type { DeliveryLedger } from './ledger.ts';

/** Ids of several days of a busy organisation; about ten megabytes. */
const DELIVERIES_MAX = 50_000;

/** The state of one delivery. */
interface Entry {
  /** Ids of the queued tasks, by command. Other commands of the delivery may have failed. */
  readonly done: Map<string, string>;
  running: Promise<Taken> | undefined;
}

export interface Taken {
  /** Whether an earlier delivery has started the tasks. */
  readonly isRepeat: boolean;
  readonly taskIds: readonly string[];
}

export interface DeliveryKey {
  readonly provider: string;
  readonly deliveryId: string | undefined;
  readonly aliases: readonly string[];
}

/** Starts the commands that are not in `done`, and adds each started one. Rejects when one could not be started. */
export type StartTasks = (done: Map<string, string>) => Promise<void>;

/** Makes sure that a repeated delivery starts its tasks once. */
export class Redeliveries {
  readonly #ledger: DeliveryLedger | undefined;
  readonly #entries = new LRUCache<string, Entry>({ max: DELIVERIES_MAX });

  constructor(ledger: DeliveryLedger | undefined) {
    this.#ledger = ledger;
  }

  /**
   * Runs `start`, or returns the tasks of an earlier run. A repetition of a delivery in progress waits for it, and fails
   * with it: an earlier answer would promise a task that is not queued yet. A delivery without an id is always new.
   */
  take(key: DeliveryKey, start: StartTasks): Promise<Taken> {
    // No await between lookup and insertion: of two equal deliveries at the same time, one starts the tasks.
    const names = namesOf(key);
    const entry = this.#find(names) ?? { done: new Map(), running: undefined };
    for (const name of names) this.#entries.set(name, entry);
    if (entry.running !== undefined) {
      return entry.running.then(({ taskIds }) => ({ isRepeat: true, taskIds }));
    }
    const running = this.#run(entry, key, start);
    entry.running = running;
    // After a failure the delivery may be sent again.
    running.catch(() => {
      entry.running = undefined;
    });
    return running;
  }

  async #run(entry: Entry, { provider, deliveryId }: DeliveryKey, start: StartTasks): Promise<Taken> {
    if (deliveryId !== undefined && this.#ledger !== undefined && entry.done.size === 0) {
      const known = await this.#ledger.find(provider, deliveryId);
      if (known?.isAnswered) return { isRepeat: true, taskIds: [...known.tasks.values()] };
      for (const [command, taskId] of known?.tasks ?? []) entry.done.set(command, taskId);
    }
    const before = entry.done.size;
    await start(entry.done);
    return { isRepeat: before > 0 && entry.done.size === before, taskIds: [...entry.done.values()] };
  }

  #find(names: readonly string[]): Entry | undefined {
    for (const name of names) {
      const entry = this.#entries.get(name);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }
}

function namesOf({ provider, deliveryId, aliases }: DeliveryKey): string[] {
  const names = aliases.map((alias) => `${provider}\nalias\n${alias}`);
  return deliveryId === undefined ? names : [`${provider}\nid\n${deliveryId}`, ...names];
}
