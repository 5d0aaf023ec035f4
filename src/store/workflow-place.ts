import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { checkWorkflowId } from '../model/ids.ts';
import { isoFromMs } from '../model/time.ts';
import { readableNamesIn } from '../system/optional-files.ts';
import { WORKFLOW_FILES, type WorkflowFile } from './layout.ts';

/** Cached months of workflows without a stamp: one or two megabytes. */
const MONTHS_MAX = 10_000;

/** `2025`, `12` of `...-20251202T150000Z...`. */
const STAMP = /(?:^|[-_.])(\d{4})(0[1-9]|1[0-2])\d{2}T\d{6}Z/;

/** Events of a machine that was away come days later; a year is an error of the clock, or a lie. */
const FAR_MS = 366 * 86_400_000;

const YEAR = /^\d{4}$/;
const MONTH = /^(?:0[1-9]|1[0-2])$/;

/** A time, or now when it is far from the clock: senders choose the times of events. */
export function nearTime(timestamp: string, nowMs: number): string {
  const atMs = Date.parse(timestamp);
  return isoFromMs(Math.abs(nowMs - atMs) < FAR_MS ? atMs : nowMs);
}

/** Finds the month's folder of a workflow: from the time stamp in its id, otherwise from the first stored event. */
export class WorkflowPlaces {
  readonly #workflowDir: string;
  /** Months of workflows without a stamp, so that all folders are searched only once for each. */
  readonly #months = new LRUCache<string, string>({ max: MONTHS_MAX });

  constructor(workflowDir: string) {
    this.#workflowDir = workflowDir;
  }

  /** Folder of a workflow; undefined when its id has no stamp and no folder has its files. */
  async find(workflowId: string): Promise<string | undefined> {
    const stamped = stampedMonth(checkWorkflowId(workflowId));
    if (stamped !== undefined) return join(this.#workflowDir, stamped);
    const known = this.#months.get(workflowId) ?? (await this.#search(workflowId));
    if (known !== undefined) this.#months.set(workflowId, known);
    return known;
  }

  /** `find`, or the folder of this time for a workflow without files. Later calls return the same folder. */
  async place(workflowId: string, timestamp: string): Promise<string> {
    const found = await this.find(workflowId);
    if (found !== undefined) return found;
    const month = join(this.#workflowDir, timestamp.slice(0, 4), timestamp.slice(5, 7));
    this.#months.set(workflowId, month);
    return month;
  }

  /** Drops the cached folder after the workflow's files were removed. */
  forget(workflowId: string): void {
    this.#months.delete(workflowId);
  }

  /** Folders of all months, oldest first. */
  async months(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const year of (await readableNamesIn(this.#workflowDir)).filter((name) => YEAR.test(name)).sort()) {
      const months = (await readableNamesIn(join(this.#workflowDir, year))).filter((name) =>
        MONTH.test(name),
      );
      for (const month of months.sort()) found.push(join(this.#workflowDir, year, month));
    }
    return found;
  }

  async #search(workflowId: string): Promise<string | undefined> {
    const wanted = Object.values(WORKFLOW_FILES).map((suffix) => workflowId + suffix);
    for (const month of await this.months()) {
      const names = new Set(await readableNamesIn(month));
      if (wanted.some((name) => names.has(name))) return month;
    }
    return undefined;
  }
}

export function workflowFile(month: string, workflowId: string, file: WorkflowFile): string {
  return join(month, checkWorkflowId(workflowId) + WORKFLOW_FILES[file]);
}

function stampedMonth(workflowId: string): string | undefined {
  const stamp = STAMP.exec(workflowId);
  return stamp?.[1] === undefined || stamp[2] === undefined ? undefined : join(stamp[1], stamp[2]);
}
