import { dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Change } from '../../project/change.ts';
import { makeDirectory } from '../../system/durable.ts';
import { OWN_NAMES } from '../layout.ts';
import { LineFile } from './line-file.ts';
import { sentKey, sentLine } from './line-keys.ts';
import { notify, type StoreObserver } from './observer.ts';
import { hasRecord, sentId } from './sent-line.ts';

/** Days whose ids stay in memory: today, and days of late deliveries. */
const OPEN_FILES_MAX = 16;

export type DeliveryChange = Extract<Change, { kind: 'delivery' }>;

/** `_webhooks/<yyyy-mm-dd>.jsonl`: a line for each delivery, with or without a task. */
export class DeliveryFiles {
  readonly #dir: string;
  readonly #observer: StoreObserver | undefined;
  readonly #open = new LRUCache<string, LineFile>({ max: OPEN_FILES_MAX });

  constructor(logDir: string, observer?: StoreObserver) {
    this.#observer = observer;
    this.#dir = join(logDir, OWN_NAMES.webhooks);
  }

  pathOf({ line }: DeliveryChange): string {
    return join(this.#dir, `${line.timestamp.slice(0, 10)}.jsonl`);
  }

  /** Stores deliveries of one day and returns how many were new. Calls must not overlap. */
  async append(path: string, changes: readonly DeliveryChange[]): Promise<number> {
    let file = this.#open.get(path);
    if (file === undefined) {
      await makeDirectory(dirname(path));
      file = await LineFile.open(path, sentKey);
      this.#open.set(path, file);
    }
    const fresh = new Map<string, DeliveryChange>();
    for (const change of changes) {
      const { line } = change;
      if (!hasRecord(file, line) && !hasRecord(fresh, line)) fresh.set(sentId(line), change);
    }
    try {
      const count = await file.append([...fresh.values()].map(({ line }) => sentLine(line)));
      for (const { line } of fresh.values()) {
        // What anonymous senders say about deliveries is kept, and not counted.
        if (line.sender === undefined) notify(this.#observer, (observer) => observer.deliveryStored?.(line));
      }
      return count;
    } catch (error) {
      // The file's state is unknown after an error: the next call reads it again.
      this.#open.delete(path);
      throw error;
    }
  }
}
