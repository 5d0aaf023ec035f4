import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Books } from '../../books.ts';
import type { Config } from '../../config/config.ts';
import { processEnvironment } from '../../config/environment.ts';
import { messageOf } from '../../errors.ts';
import type { IndexState } from '../../search/index/index-keeper.ts';
import type { ListRequest, PlacePage } from '../../search/list/places.ts';
import type { StatsRequest, StatsRows } from '../../search/stats/task-stats.ts';
import { Channel } from '../thread/channel.ts';
import type { AskedOfIndex, FromIndex, IndexStart, ToIndex } from './index-messages.ts';

/** Part of `/readyz`. */
const PART = 'search index';

/** The compiled file of the thread. It is missing in a bundle, and in a program that runs from TypeScript. */
const ENTRY = new URL('./index-main.js', import.meta.url);

/** A script that records and ends within this time does not pay for an index. A query starts it at once. */
const START_MS = 1_500;

/** Changes that are passed on together. */
const GATHER_MS = 100;

/** More changes than this are found by the thread itself when it looks for them at its start. */
const NOTED_MAX = 50_000;

/** Milliseconds for an answer, with looks into files. */
const ANSWER_MS = 20_000;
const CLOSE_MS = 2_000;

/** Far more than a long output needs. A thread beyond it ends and is started again; without a limit it could take the process along. */
const LIMITS = { maxOldGenerationSizeMb: 768 };

/** Pause before the thread is started again; doubles up to the longest. */
const RESTART_MIN_MS = 1_000;
const RESTART_MAX_MS = 60_000;

export interface IndexThreadOptions {
  readonly config: Pick<Config, 'logDir' | 'workflowDir' | 'fileMode'>;
  readonly books: Books;
  /** Default: that of this package. */
  readonly entry?: URL;
}

type IndexChannel = Channel<ToIndex, AskedOfIndex, FromIndex, Record<never, never>>;

/**
 * The thread of the index, as the holder's thread sees it. It reads the files itself: here only the ids of what was written are
 * noted, which costs the store nothing that grows with the text.
 */
export class IndexThread {
  readonly #options: IndexThreadOptions;
  readonly #changed = new Set<string>();
  #worker: Worker | undefined;
  #channel: IndexChannel | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  #tellTimer: NodeJS.Timeout | undefined;
  #pauseMs = RESTART_MIN_MS;
  #isOff = false;
  #isUsable = false;

  constructor(options: IndexThreadOptions) {
    this.#options = options;
    this.#startTimer = setTimeout(() => this.#start(), START_MS).unref();
  }

  /** This task was written, or removed. */
  noteTask(taskId: string): void {
    // It looks at all tasks when it starts.
    if (this.#channel === undefined) return;
    this.#changed.add(taskId);
    if (this.#changed.size > NOTED_MAX) this.#startAgain('it does not keep up with the store');
    else this.#tellTimer ??= setTimeout(() => this.#tell(), GATHER_MS).unref();
  }

  /** Undefined when there is no answer: then the files give it. */
  list(request: ListRequest): Promise<PlacePage | undefined> {
    return this.#ask('list', request);
  }

  stats(request: StatsRequest): Promise<StatsRows | undefined> {
    return this.#ask('stats', request);
  }

  async close(): Promise<void> {
    this.#isOff = true;
    clearTimeout(this.#startTimer);
    clearTimeout(this.#tellTimer);
    this.#tell();
    await this.#channel?.ask('close', undefined, CLOSE_MS).catch(() => undefined);
    await this.#worker?.terminate();
  }

  async #ask<K extends 'list' | 'stats'>(
    name: K,
    request: AskedOfIndex[K]['input'],
  ): Promise<AskedOfIndex[K]['answer']> {
    this.#start();
    if (!this.#isUsable) return undefined;
    // What was stored before the query is to be in its answer.
    this.#tell();
    return this.#channel?.ask(name, request, ANSWER_MS).catch(() => undefined);
  }

  #tell(): void {
    clearTimeout(this.#tellTimer);
    this.#tellTimer = undefined;
    if (this.#changed.size === 0) return;
    this.#channel?.tell('changed', [...this.#changed]);
    this.#changed.clear();
  }

  #start(): void {
    if (this.#isOff || this.#channel !== undefined) return;
    clearTimeout(this.#startTimer);
    const { config, entry = ENTRY } = this.#options;
    if (!existsSync(fileURLToPath(entry))) {
      this.#switchOff('its program is missing');
      return;
    }
    const { logDir, workflowDir, fileMode } = config;
    const start: IndexStart = { logDir, workflowDir, fileMode };
    try {
      const worker = new Worker(entry, {
        workerData: start,
        name: 'tasktrail index',
        execArgv: [],
        resourceLimits: LIMITS,
        env: { ...processEnvironment().variables, NODE_OPTIONS: undefined },
      });
      worker.unref();
      this.#connect(worker);
    } catch (error) {
      // ERR_ACCESS_DENIED: Node's permission model without --allow-worker.
      this.#switchOff(messageOf(error));
    }
  }

  #connect(worker: Worker): void {
    let reason = 'it has ended';
    const channel = new Channel<ToIndex, AskedOfIndex, FromIndex, Record<never, never>>(worker, {
      listeners: {
        state: (state) => this.#show(state),
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
  }

  #startAgain(reason: string): void {
    const worker = this.#worker;
    this.#channel?.close(reason);
    this.#channel = undefined;
    this.#worker = undefined;
    this.#changed.clear();
    this.#isUsable = false;
    if (this.#isOff) return;
    void worker?.terminate();
    this.#options.books.setNotice(PART, `is started again, lists come from the files meanwhile: ${reason}`);
    this.#startTimer = setTimeout(() => this.#start(), this.#pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, RESTART_MAX_MS);
  }

  #switchOff(reason: string): void {
    this.#isOff = true;
    this.#options.books.setNotice(PART, `there is none, lists come from the files: ${reason}`);
  }

  #show({ isComplete, isUsable, waiting, indexed, problem }: IndexState): void {
    const { books } = this.#options;
    this.#isUsable = isUsable;
    if (problem !== undefined) books.setNotice(PART, `is not written at the moment: ${problem}`);
    else if (isComplete) books.setNotice(PART, undefined);
    else
      books.setNotice(PART, `is being made: ${indexed} tasks, ${waiting} to go; lists come from the files`);
    if (isComplete) this.#pauseMs = RESTART_MIN_MS;
  }
}
