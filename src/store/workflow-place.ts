import { basename, dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { checkWorkflowId } from '../model/ids.ts';
import { isoFromMs } from '../model/time.ts';
import { readableNamesIn } from '../system/files/optional-files.ts';
import { areRealFolders, checkFolders } from '../system/files/real-folders.ts';
import { OWN_NAMES, WORKFLOW_FILES, type WorkflowFile } from './layout.ts';

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
    const { year, month: number } = filedMonth(workflowId, timestamp);
    const month = join(this.#workflowDir, year, number);
    this.#months.set(workflowId, month);
    return month;
  }

  /** Drops the cached folder after the workflow's files were removed. */
  forget(workflowId: string): void {
    this.#months.delete(workflowId);
  }

  /** Folders of all months, oldest first. Links are left out. */
  async months(): Promise<readonly string[]> {
    const found: string[] = [];
    if (!(await areRealFolders(this.#workflowDir, levelsOf(this.#workflowDir)))) return found;
    for (const year of await foldersIn(this.#workflowDir, YEAR)) {
      for (const month of await foldersIn(year, MONTH)) found.push(month);
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

/** Number of folders of ours up to the folder of a month. */
export function monthLevels(month: string): number {
  return levelsOf(dirname(dirname(month))) + 2;
}

/** Whether the folder of a month and those above it are no links. */
export async function isRealMonth(month: string): Promise<boolean> {
  return areRealFolders(month, monthLevels(month));
}

/** Throws `ERR_DIRECTORY_UNUSABLE` when the folder of a month, or one above it, has been replaced by a link. */
export function checkMonth(month: string): void {
  checkFolders(month, monthLevels(month));
}

/**
 * Number of folders of ours up to the directory of workflows: a link in their place is not followed. A directory that the
 * user has named is the user's, and may be a link.
 */
export function levelsOf(workflowDir: string): 0 | 1 {
  return basename(workflowDir) === OWN_NAMES.workflows ? 1 : 0;
}

async function foldersIn(dir: string, pattern: RegExp): Promise<readonly string[]> {
  const names = (await readableNamesIn(dir)).filter((name) => pattern.test(name)).sort();
  const folders: string[] = [];
  for (const name of names) if (await areRealFolders(join(dir, name), 1)) folders.push(join(dir, name));
  return folders;
}

/** The month under which a workflow is filed: that of the stamp in its id, or of this time (ISO 8601). */
export function filedMonth(
  workflowId: string,
  timestamp: string,
): { readonly year: string; readonly month: string } {
  const [, year = timestamp.slice(0, 4), month = timestamp.slice(5, 7)] = STAMP.exec(workflowId) ?? [];
  return { year, month };
}

function stampedMonth(workflowId: string): string | undefined {
  const stamp = STAMP.exec(workflowId);
  return stamp?.[1] === undefined || stamp[2] === undefined ? undefined : join(stamp[1], stamp[2]);
}
