import { dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { DeliveryLine } from '../../model/documents.ts';
import type { Change } from '../../project/change.ts';
import { makeDirectory } from '../../system/durable.ts';
import { checkFolders } from '../../system/files/real-folders.ts';
import { OWN_NAMES } from '../layout.ts';
import { LineFile, type NewLine } from './line-file.ts';
import { eventKey } from './line-keys.ts';
import { LINE_PROBLEM, recordLine } from './line-limit.ts';
import { notify, type StoreObserver } from './observer.ts';
import type { OnRefused } from './open-units.ts';

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
  async append(path: string, changes: readonly DeliveryChange[], onRefused?: OnRefused): Promise<number> {
    checkFolders(this.#dir, 1);
    let file = this.#open.get(path);
    if (file === undefined) {
      await makeDirectory(dirname(path));
      file = await LineFile.open(path, eventKey);
      this.#open.set(path, file);
    }
    const fresh = new Map<string, { readonly line: DeliveryLine; readonly stored: NewLine }>();
    for (const [index, { line }] of changes.entries()) {
      if (file.has(line.event_id) || fresh.has(line.event_id)) continue;
      const stored = recordLine(line);
      if (stored === undefined) onRefused?.(index, LINE_PROBLEM);
      else fresh.set(line.event_id, { line, stored });
    }
    try {
      const count = await file.append([...fresh.values()].map(({ stored }) => stored));
      for (const { line } of fresh.values())
        notify(this.#observer, (observer) => observer.deliveryStored?.(line));
      return count;
    } catch (error) {
      // The file's state is unknown after an error: the next call reads it again.
      this.#open.delete(path);
      throw error;
    }
  }
}
