import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Books } from '../../books.ts';
import type { Config } from '../../config/config.ts';
import { messageOf } from '../../errors.ts';
import type { FacetCounts } from '../../model/task-reading.ts';
import { markLeft } from '../../search/index/index-file.ts';
import type { IndexState } from '../../search/index/index-state.ts';
import type { ListRequest, PlacePage } from '../../search/list/places.ts';
import type { RecordPage, RecordRequest } from '../../search/record/record-lists.ts';
import type { FacetsRequest } from '../../search/stats/task-facets.ts';
import type { StatsRequest, StatsRows } from '../../search/stats/task-stats.ts';
import { Channel } from '../thread/channel.ts';
import type { AskedOfIndex, FromIndex, IndexStart, OwnLease, ToIndex } from './index-messages.ts';

/** Part of `/readyz`. */
const PART = 'search index';

/** The compiled file of the thread. It is missing in a bundle, and in a program that runs from TypeScript. */
const ENTRY = new URL('./index-main.js', import.meta.url);

/** Without a query that needs it for this time, the thread ends: it has 40 to 70 MB. */
const IDLE_MS = 300_000;

/** Changes that are passed on together. */
const GATHER_MS = 100;

/** Milliseconds for an answer, with looks into files. */
const ANSWER_MS = 20_000;
const CLOSE_MS = 2_000;

/** Far more than a long output needs. A thread beyond it ends and is started again; without a limit it could take the process along. */
const LIMITS = { maxOldGenerationSizeMb: 768 };

/** Pause before the thread is started again; doubles up to the longest. */
const RESTART_MIN_MS = 1_000;
const RESTART_MAX_MS = 60_000;

const KINDS = ['changed', 'workflows', 'deliveries'] as const;

export interface IndexThreadOptions {
  readonly config: Pick<Config, 'logDir' | 'fileMode'> & Partial<Pick<Config, 'workflowDir'>>;
  /** Undefined: the tasks are the files of the log directory. */
  readonly storeUrl?: string | undefined;
  readonly books: Books;
  /** Undefined where the directory is not held. */
  readonly lease?: OwnLease | undefined;
  readonly idleMs?: number;
  /** Default: that of this package. */
  readonly entry?: URL;
}

type IndexChannel = Channel<ToIndex, AskedOfIndex, FromIndex, Record<never, never>>;

/**
 * The thread of the index, as the holder's thread sees it: started by a query, ended when there was none for a while. It reads
 * the files itself, and compares them with the index at its start: here only the ids of what is written while it runs are noted.
 */
export class IndexThread {
  readonly #options: IndexThreadOptions;
  readonly #changed: Readonly<Record<keyof ToIndex, Set<string>>> = {
    changed: new Set(),
    workflows: new Set(),
    deliveries: new Set(),
  };
  #worker: Worker | undefined;
  #channel: IndexChannel | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  #tellTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #ending: Promise<void> | undefined;
  #pauseMs = RESTART_MIN_MS;
  #isOff = false;
  /** Whether it is still being made, or compared with the files. */
  #isBusy = false;
  #state: IndexState | undefined;

  constructor(options: IndexThreadOptions) {
    this.#options = options;
  }

  /** Undefined while no thread has it: no query has needed it for a while. */
  get state(): IndexState | undefined {
    return this.#channel === undefined ? undefined : this.#state;
  }

  /** This task was written, or removed. */
  noteTask(taskId: string): void {
    this.#note('changed', taskId);
  }

  /** This workflow was written, or removed. */
  noteWorkflow(workflowId: string): void {
    this.#note('workflows', workflowId);
  }

  /** Deliveries of this day were written. */
  noteDeliveries(day: string): void {
    this.#note('deliveries', day);
  }

  #note(kind: keyof ToIndex, name: string): void {
    // It looks at all of them when it starts.
    if (this.#channel === undefined) return;
    this.#changed[kind].add(name);
    this.#tellTimer ??= setTimeout(() => this.#tell(), GATHER_MS).unref();
  }

  /** Undefined when there is no answer: then the files give it. */
  list(request: ListRequest): Promise<PlacePage | undefined> {
    return this.#ask('list', request);
  }

  facets(request: FacetsRequest): Promise<readonly FacetCounts[] | undefined> {
    return this.#ask('facets', request);
  }

  stats(request: StatsRequest): Promise<StatsRows | undefined> {
    return this.#ask('stats', request);
  }

  records(request: RecordRequest): Promise<RecordPage | undefined> {
    return this.#ask('records', request);
  }

  async close(): Promise<void> {
    this.#isOff = true;
    clearTimeout(this.#startTimer);
    this.#tell();
    await this.#end();
  }

  async #ask<K extends 'list' | 'facets' | 'stats' | 'records'>(
    name: K,
    request: AskedOfIndex[K]['input'],
  ): Promise<AskedOfIndex[K]['answer']> {
    await this.#ending;
    this.#start();
    this.#idleTimer?.refresh();
    // What was stored before the query is to be in its answer.
    this.#tell();
    return this.#channel?.ask(name, request, ANSWER_MS).catch(() => undefined);
  }

  #tell(): void {
    clearTimeout(this.#tellTimer);
    this.#tellTimer = undefined;
    for (const kind of KINDS) {
      const names = this.#changed[kind];
      if (names.size > 0) this.#channel?.tell(kind, [...names]);
      names.clear();
    }
  }

  #start(): void {
    if (this.#isOff || this.#channel !== undefined) return;
    clearTimeout(this.#startTimer);
    const { config, storeUrl, lease, entry = ENTRY } = this.#options;
    if (!existsSync(fileURLToPath(entry))) {
      this.#switchOff('its program is missing');
      return;
    }
    const { logDir, workflowDir = logDir, fileMode } = config;
    const start: IndexStart = { logDir, workflowDir, fileMode, storeUrl, lease };
    try {
      const worker = new Worker(entry, {
        workerData: start,
        name: 'tasktrail index',
        execArgv: [],
        resourceLimits: LIMITS,
        // It reads no settings, and NODE_OPTIONS would load what the program wants in its own threads.
        env: {},
      });
      worker.unref();
      this.#connect(worker);
      this.#isBusy = true;
      this.#idleTimer ??= setInterval(() => this.#endIdle(), this.#options.idleMs ?? IDLE_MS).unref();
    } catch (error) {
      // ERR_ACCESS_DENIED: Node's permission model without --allow-worker.
      this.#switchOff(messageOf(error));
    }
  }

  #connect(worker: Worker): void {
    let reason = 'it has ended';
    const channel = new Channel<ToIndex, AskedOfIndex, FromIndex, Record<never, never>>(worker, {
      listeners: {
        state: (state) => {
          if (this.#channel === channel) this.#show(state);
        },
        none: () => this.#switchOff('neither node:sqlite with FTS5 nor node-sqlite3-wasm can be loaded'),
      },
      answers: {},
    });
    worker.on('error', (error) => {
      reason = messageOf(error);
    });
    worker.on('exit', () => {
      channel.close(reason);
      if (this.#channel === channel) this.#startAgain(reason);
    });
    this.#worker = worker;
    this.#channel = channel;
    this.#state = undefined;
  }

  #endIdle(): void {
    // What has been made so far would be compared again at the next start.
    if (this.#isBusy || this.#channel === undefined) return;
    this.#options.books.setNotice(PART, undefined);
    void this.#end();
  }

  /** The next query starts it again. */
  #end(): Promise<void> {
    clearInterval(this.#idleTimer);
    this.#idleTimer = undefined;
    clearTimeout(this.#tellTimer);
    this.#tellTimer = undefined;
    const [channel, worker] = [this.#channel, this.#worker];
    this.#channel = undefined;
    this.#worker = undefined;
    for (const kind of KINDS) this.#changed[kind].clear();
    if (channel === undefined) return this.#ending ?? Promise.resolve();
    this.#ending = channel
      .ask('close', undefined, CLOSE_MS)
      .catch(() => this.#markLeft())
      .then(() => worker?.terminate())
      .then(() => {
        this.#ending = undefined;
      });
    return this.#ending;
  }

  #startAgain(reason: string): void {
    const worker = this.#worker;
    this.#channel?.close(reason);
    this.#channel = undefined;
    this.#worker = undefined;
    for (const kind of KINDS) this.#changed[kind].clear();
    this.#markLeft();
    if (this.#isOff) return;
    void worker?.terminate();
    this.#options.books.setNotice(PART, `is started again, ${this.#instead} meanwhile: ${reason}`);
    this.#startTimer = setTimeout(() => this.#start(), this.#pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, RESTART_MAX_MS);
  }

  get #instead(): string {
    return `lists come from ${this.#options.storeUrl === undefined ? 'the files' : 'VictoriaLogs'}`;
  }

  /** It has ended without a word: other processes must not take the index for one that is kept. */
  #markLeft(): void {
    const { config, lease } = this.#options;
    if (lease !== undefined) markLeft(config.logDir);
  }

  #switchOff(reason: string): void {
    this.#isOff = true;
    void this.#end();
    this.#options.books.setNotice(PART, `there is none, ${this.#instead}: ${reason}`);
  }

  #show(state: IndexState): void {
    const { isComplete, waiting, indexed, problem } = state;
    const { books } = this.#options;
    this.#state = state;
    this.#isBusy = !isComplete && problem === undefined;
    if (problem !== undefined) books.setNotice(PART, `is not written at the moment: ${problem}`);
    else if (isComplete) books.setNotice(PART, undefined);
    else books.setNotice(PART, `is being made: ${indexed} tasks, ${waiting} to go; ${this.#instead}`);
    if (isComplete) this.#pauseMs = RESTART_MIN_MS;
  }
}
