import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { errnoOf } from '../errors.ts';
import type { Change } from '../project/change.ts';
import { redact } from '../redact/redact.ts';
import { makeDirectory } from './durable.ts';
import { WEBHOOKS_DIR } from './layout.ts';
import { LineFile, type NewLine } from './line-file.ts';
import { eventKey, jsonLine, traceKey } from './line-keys.ts';

/** Files whose ids stay in memory: the days and workflows that are being written right now, with room to spare. */
const OPEN_FILES_MAX = 256;

/** `2025`, `12` of `...-20251202T150000Z...`. */
const STAMP = /(?:^|[-_.])(\d{4})(0[1-9]|1[0-2])\d{2}T\d{6}Z/;

export type SideChange = Extract<Change, { kind: 'delivery' | 'envelope' | 'workflow-span' }>;

/** The files that belong to no single task: deliveries by day, workflow events by workflow. */
export class SideFiles {
  readonly #webhooksDir: string;
  readonly #workflowDir: string;
  readonly #open = new LRUCache<string, LineFile>({ max: OPEN_FILES_MAX });

  constructor(logDir: string, workflowDir: string) {
    this.#webhooksDir = join(logDir, WEBHOOKS_DIR);
    this.#workflowDir = workflowDir;
  }

  /** Stores one change and returns 1, or 0 when it was there. One call at a time. */
  async apply(change: SideChange): Promise<number> {
    switch (change.kind) {
      case 'delivery': {
        const { line } = change;
        const path = join(this.#webhooksDir, `${line.timestamp.slice(0, 10)}.jsonl`);
        return this.#append(path, jsonLine(line));
      }
      case 'envelope': {
        const { envelope } = change;
        const path = await this.#workflowPath(envelope.workflow_id, envelope.timestamp, '.jsonl');
        return this.#append(path, jsonLine(envelope));
      }
      case 'workflow-span': {
        const path = await this.#workflowPath(change.workflowId, new Date(0).toISOString(), '.trace.jsonl');
        return this.#append(path, { id: change.spanId, timestamp: '', text: redact(change.line) });
      }
    }
  }

  /** The folder that the id's own stamp names, else the one where the workflow is already, else the event's month. */
  async #workflowPath(workflowId: string, timestamp: string, suffix: string): Promise<string> {
    const stamp = STAMP.exec(workflowId);
    const name = `${workflowId}${suffix}`;
    if (stamp?.[1] !== undefined && stamp[2] !== undefined) {
      return join(this.#workflowDir, stamp[1], stamp[2], name);
    }
    const month = (await this.#findMonth(workflowId)) ?? timestamp.slice(0, 7).split('-').join('/');
    return join(this.#workflowDir, ...month.split('/'), name);
  }

  async #findMonth(workflowId: string): Promise<string | undefined> {
    for (const year of await namesOf(this.#workflowDir)) {
      for (const month of await namesOf(join(this.#workflowDir, year))) {
        const names = await namesOf(join(this.#workflowDir, year, month));
        if (names.includes(`${workflowId}.jsonl`)) return `${year}/${month}`;
      }
    }
    return undefined;
  }

  async #append(path: string, line: NewLine): Promise<number> {
    let file = this.#open.get(path);
    if (file === undefined) {
      await makeDirectory(dirname(path));
      file = await LineFile.open(path, path.endsWith('.trace.jsonl') ? traceKey : eventKey);
      this.#open.set(path, file);
    }
    try {
      return await file.append([line]);
    } catch (error) {
      // What is on the disk now is unknown: read it again next time.
      this.#open.delete(path);
      throw error;
    }
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
