import { basename, dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { DeliveryLine } from '../../model/documents.ts';
import { makeDirectory } from '../../system/durable.ts';
import { checkFolders } from '../../system/files/real-folders.ts';
import { OWN_NAMES } from '../layout.ts';
import { type DeliveryChange, filedDelivery } from './batch/filed-delivery.ts';

import { LineFile, type NewLine } from './lines/line-file.ts';
import { sentKey } from './lines/line-keys.ts';
import { LINE_PROBLEM, recordLine, TOO_LONG } from './lines/line-limit.ts';
import type { LineWriter } from './lines/line-writer.ts';
import { hasRecord, sentId } from './lines/sent-line.ts';
import { notify, type StoreObserver } from './observer.ts';
import type { OnRefused } from './open-units.ts';

/** Days whose ids stay in memory: today, and days of late deliveries. */
const OPEN_FILES_MAX = 16;

export interface DeliveryFilesOptions {
  readonly now: () => number;
  readonly observer?: StoreObserver | undefined;
  readonly writer?: LineWriter;
}

/** `_webhooks/<yyyy-mm-dd>.jsonl`: a line for each delivery, with or without a task. */
export class DeliveryFiles {
  readonly #dir: string;
  readonly #now: () => number;
  readonly #observer: StoreObserver | undefined;
  readonly #writer: LineWriter | undefined;
  readonly #open = new LRUCache<string, LineFile>({ max: OPEN_FILES_MAX });

  constructor(logDir: string, { now, observer, writer }: DeliveryFilesOptions) {
    this.#now = now;
    this.#observer = observer;
    this.#writer = writer;
    this.#dir = join(logDir, OWN_NAMES.webhooks);
  }

  /**
   * The file of the day of a delivery, and the delivery. One whose time is far from the clock is filed under today: senders
   * choose the time.
   */
  place(change: DeliveryChange): { readonly path: string; readonly change: DeliveryChange } {
    const filed = filedDelivery(change, this.#now());
    return { path: join(this.#dir, `${filed.day}.jsonl`), change: filed.change };
  }

  /** Stores deliveries of one day and returns how many were new. Calls must not overlap. */
  async append(path: string, changes: readonly DeliveryChange[], onRefused?: OnRefused): Promise<number> {
    checkFolders(this.#dir, 1);
    let file = this.#open.get(path);
    if (file === undefined) {
      await makeDirectory(dirname(path));
      file = await LineFile.open(path, sentKey, { writer: this.#writer });
      this.#open.set(path, file);
    }
    const fresh = new Map<string, { readonly line: DeliveryLine; readonly stored: NewLine }>();
    for (const [index, { line }] of changes.entries()) {
      if (hasRecord(file, line) || hasRecord(fresh, line)) continue;
      const stored = recordLine(line);
      if (stored === undefined) onRefused?.(index, LINE_PROBLEM, TOO_LONG);
      else fresh.set(sentId(line), { line, stored });
    }
    try {
      const count = await file.append([...fresh.values()].map(({ stored }) => stored));
      notify(this.#observer, (observer) => observer.deliveriesChanged?.(basename(path, '.jsonl')));
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
