import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { type Archive, type Clock, startArchive } from '../../src/archive/archive.ts';
import type { BucketOptions } from '../../src/archive/bucket.ts';
import { type FiledMonth, objectKey } from '../../src/archive/object-key.ts';
import type { Outbox } from '../../src/archive/outbox.ts';
import { Books } from '../../src/books.ts';
import type { WorkflowDocument } from '../../src/model/workflow.ts';
import { WorkflowUploads } from '../../src/store/keep/workflow-uploads.ts';
import { WorkflowPlaces } from '../../src/store/workflow-place.ts';
import { DEADLINE, DEADLINE_MS } from '../support/until.ts';

export const BUCKET = 'acme.logs.shop';

/** A workflow directory as the store writes it, and its outbox. */
export interface Machine {
  readonly dir: string;
  readonly outbox: Outbox;
  /** Writes a finished workflow, or a new revision, into the month of its id. */
  write(document: WorkflowDocument): Promise<void>;
  /** Undefined until it is verified. */
  uploaded(workflowId: string): Promise<Record<string, unknown> | undefined>;
}

export async function newMachine(
  prefix = 'workflow/{year}/{month}/',
  bucket: string = BUCKET,
): Promise<Machine> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-archive-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const places = new WorkflowPlaces(dir);
  const keyOf = (id: string, filed: FiledMonth): string => objectKey(prefix, id, filed);
  return {
    dir,
    outbox: new WorkflowUploads(places, { bucket, keyOf }),
    write: async (document) => {
      const month = await places.place(document.workflow_id, document.timestamp);
      await mkdir(month, { recursive: true });
      await writeFile(join(month, `${document.workflow_id}.json`), `${JSON.stringify(document)}\n`);
    },
    uploaded: async (workflowId) => {
      const month = await places.find(workflowId);
      try {
        return JSON.parse(await readFile(join(month ?? '', `${workflowId}.uploaded`), 'utf8'));
      } catch {
        // ENOENT.
        return undefined;
      }
    },
  };
}

/** A clock that a test advances. */
export class TestClock implements Clock {
  #now = Date.parse('2025-12-02T16:00:00Z');
  readonly #sleepers = new Set<{ readonly until: number; wake(): void }>();

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = {
        until: this.#now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          resolve();
        },
      };
      if (signal.aborted) return resolve();
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', sleeper.wake, { once: true });
    });
  }

  /** Advances the clock and runs everything that is due, at its time. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const next = await this.#rest();
      if (next > end) break;
      this.#now = next;
      this.#wake();
    }
    this.#now = end;
    this.#wake();
    await this.#rest();
  }

  /** Time of the next wake-up, once all running work sleeps. */
  async #rest(): Promise<number> {
    await vi.waitFor(() => void (this.#sleepers.size === 0 && fail('no sleeper')), {
      timeout: DEADLINE_MS,
      interval: 2,
    });
    return Math.min(...[...this.#sleepers].map(({ until }) => until));
  }

  #wake(): void {
    for (const sleeper of this.#sleepers) if (sleeper.until <= this.#now) sleeper.wake();
  }
}

export interface Running {
  readonly archive: Archive;
  readonly books: Books;
  readonly logged: string[];
}

/** An archive of a machine's directory, closed at the end of the test. */
export function runArchive(
  { outbox }: { readonly outbox: Outbox },
  endpoint: string,
  { clock, ...config }: Partial<Omit<BucketOptions, 'signal'>> & { readonly clock?: Clock } = {},
): Running {
  const books = new Books();
  const logged: string[] = [];
  const archive = startArchive({
    config: { bucket: BUCKET, region: 'us-east-1', endpoint, pathStyle: true, ...config },
    outbox,
    books,
    log: (line) => logged.push(line),
    ...(clock !== undefined && { clock }),
  });
  onTestFinished(() => archive.close(0));
  return { archive, books, logged };
}

export async function eventually(check: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(check, DEADLINE);
}

function fail(message: string): never {
  throw new Error(message);
}
