import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { errnoOf } from '../errors.ts';
import { isoFromMs } from '../model/time.ts';
import type { Change } from '../project/change.ts';
import { makeDirectory } from './durable.ts';
import { WEBHOOKS_DIR } from './layout.ts';
import { LineFile, type NewLine } from './line-file.ts';
import { eventKey, isoOfSpan, jsonLine, spanLine, traceKey } from './line-keys.ts';

/** Files whose ids stay in memory: the days and workflows that are being written right now, with room to spare. */
const OPEN_FILES_MAX = 256;

/** A name and a path each: a megabyte or two. */
const MONTHS_MAX = 10_000;

const TRACE = '.trace.jsonl';

/** `2025`, `12` of `...-20251202T150000Z...`. */
const STAMP = /(?:^|[-_.])(\d{4})(0[1-9]|1[0-2])\d{2}T\d{6}Z/;

export type SideChange = Extract<Change, { kind: 'delivery' | 'envelope' | 'workflow-span' }>;

/** The files that belong to no single task: deliveries by day, workflow events by workflow. */
export class SideFiles {
  readonly #webhooksDir: string;
  readonly #workflowDir: string;
  readonly #open = new LRUCache<string, LineFile>({ max: OPEN_FILES_MAX });
  /** Where workflows whose id has no stamp are, so that the folders are looked through once for each. */
  readonly #months = new LRUCache<string, string>({ max: MONTHS_MAX });

  constructor(logDir: string, workflowDir: string) {
    this.#webhooksDir = join(logDir, WEBHOOKS_DIR);
    this.#workflowDir = workflowDir;
  }

  /** The file that a change belongs to. */
  async pathOf(change: SideChange): Promise<string> {
    switch (change.kind) {
      case 'delivery':
        return join(this.#webhooksDir, `${change.line.timestamp.slice(0, 10)}.jsonl`);
      case 'envelope': {
        const { workflow_id: id, timestamp } = change.envelope;
        return join(await this.#monthDir(id, timestamp), `${id}.jsonl`);
      }
      case 'workflow-span': {
        const start = isoOfSpan(change.span.startTimeUnixNano) || isoFromMs(0);
        return join(await this.#monthDir(change.workflowId, start), `${change.workflowId}${TRACE}`);
      }
    }
  }

  /** Stores changes of one file and returns how many were new. One call at a time. */
  async append(path: string, changes: readonly SideChange[]): Promise<number> {
    let file = this.#open.get(path);
    if (file === undefined) {
      await makeDirectory(dirname(path));
      file = await LineFile.open(path, path.endsWith(TRACE) ? traceKey : eventKey);
      this.#open.set(path, file);
    }
    try {
      return await file.append(changes.map(lineOf));
    } catch (error) {
      // What is on the disk now is unknown: read it again next time.
      this.#open.delete(path);
      throw error;
    }
  }

  /** The folder that the id's own stamp names, else the one where the workflow is already, else the event's month. */
  async #monthDir(workflowId: string, timestamp: string): Promise<string> {
    const stamp = STAMP.exec(workflowId);
    if (stamp?.[1] !== undefined && stamp[2] !== undefined) {
      return join(this.#workflowDir, stamp[1], stamp[2]);
    }
    const known = this.#months.get(workflowId) ?? (await this.#findMonth(workflowId));
    const month = known ?? join(this.#workflowDir, timestamp.slice(0, 4), timestamp.slice(5, 7));
    this.#months.set(workflowId, month);
    return month;
  }

  async #findMonth(workflowId: string): Promise<string | undefined> {
    for (const year of await namesOf(this.#workflowDir)) {
      for (const month of await namesOf(join(this.#workflowDir, year))) {
        const dir = join(this.#workflowDir, year, month);
        const names = await namesOf(dir);
        if (names.includes(`${workflowId}.jsonl`) || names.includes(`${workflowId}${TRACE}`)) return dir;
      }
    }
    return undefined;
  }
}

function lineOf(change: SideChange): NewLine {
  switch (change.kind) {
    case 'delivery':
      return jsonLine(change.line);
    case 'envelope':
      return jsonLine(change.envelope);
    case 'workflow-span':
      return spanLine(change.span, change.line);
  }
}

async function namesOf(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}
