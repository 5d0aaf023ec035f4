import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { errnoOf } from '../errors.ts';
import { checkWorkflowId } from '../model/ids.ts';
import { WORKFLOW_FILES, type WorkflowFile } from './layout.ts';

/** A name and a path each: a megabyte or two. */
const MONTHS_MAX = 10_000;

/** `2025`, `12` of `...-20251202T150000Z...`. */
const STAMP = /(?:^|[-_.])(\d{4})(0[1-9]|1[0-2])\d{2}T\d{6}Z/;

const YEAR = /^\d{4}$/;
const MONTH = /^(?:0[1-9]|1[0-2])$/;

/** In which month's folder a workflow is: the id's own stamp says it, else the first event that was stored. */
export class WorkflowPlaces {
  readonly #workflowDir: string;
  /** Where workflows whose id has no stamp are, so that the folders are looked through once for each. */
  readonly #months = new LRUCache<string, string>({ max: MONTHS_MAX });

  constructor(workflowDir: string) {
    this.#workflowDir = workflowDir;
  }

  /** The folder of a workflow; undefined when its id does not say and none of its files is anywhere. */
  async find(workflowId: string): Promise<string | undefined> {
    const stamped = stampedMonth(checkWorkflowId(workflowId));
    if (stamped !== undefined) return join(this.#workflowDir, stamped);
    const known = this.#months.get(workflowId) ?? (await this.#search(workflowId));
    if (known !== undefined) this.#months.set(workflowId, known);
    return known;
  }

  /** As `find`; a workflow that is nowhere yet gets the month of this time, from now on. */
  async place(workflowId: string, timestamp: string): Promise<string> {
    const found = await this.find(workflowId);
    if (found !== undefined) return found;
    const month = join(this.#workflowDir, timestamp.slice(0, 4), timestamp.slice(5, 7));
    this.#months.set(workflowId, month);
    return month;
  }

  /** Its files were removed: the next event decides anew. */
  forget(workflowId: string): void {
    this.#months.delete(workflowId);
  }

  /** Every month's folder, oldest first. */
  async months(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const year of (await namesOf(this.#workflowDir)).filter((name) => YEAR.test(name)).sort()) {
      const months = (await namesOf(join(this.#workflowDir, year))).filter((name) => MONTH.test(name));
      for (const month of months.sort()) found.push(join(this.#workflowDir, year, month));
    }
    return found;
  }

  async #search(workflowId: string): Promise<string | undefined> {
    const wanted = Object.values(WORKFLOW_FILES).map((suffix) => workflowId + suffix);
    for (const month of await this.months()) {
      const names = new Set(await namesOf(month));
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

async function namesOf(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}
