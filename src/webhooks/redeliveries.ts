import { LRUCache } from 'lru-cache';
import type { DeliveryLedger } from './ledger.ts';

/** Recent ids: days of a busy organisation, and about ten megabytes. */
const DELIVERIES_MAX = 50_000;

/** What one delivery has come to. */
interface Entry {
  /** Command -> the task that it started; also while another command of the same delivery could not be queued. */
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

/** Starts the commands that are not in `done`, and puts there what it has started; rejects when one is missing. */
export type StartTasks = (done: Map<string, string>) => Promise<void>;

/** Sees to it that what comes twice starts once. */
export class Redeliveries {
  readonly #ledger: DeliveryLedger | undefined;
  readonly #entries = new LRUCache<string, Entry>({ max: DELIVERIES_MAX });

  constructor(ledger: DeliveryLedger | undefined) {
    this.#ledger = ledger;
  }

  /**
   * Runs `start`, or gives what it has come to before. A twin of a delivery that is on its way waits for it, and fails
   * with it: an earlier answer would promise a task that nobody has. A delivery without any id is always new.
   */
  take(key: DeliveryKey, start: StartTasks): Promise<Taken> {
    // Looked up and remembered before anything is awaited: of two equal deliveries at the same instant one starts a task.
    const names = namesOf(key);
    const entry = this.#find(names) ?? { done: new Map(), running: undefined };
    for (const name of names) this.#entries.set(name, entry);
    if (entry.running !== undefined) {
      return entry.running.then(({ taskIds }) => ({ isRepeat: true, taskIds }));
    }
    const running = this.#run(entry, key, start);
    entry.running = running;
    // What could not be queued may come again.
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
