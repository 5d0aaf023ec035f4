import { setTimeout as delay } from 'node:timers/promises';
import { ulid } from 'ulid';
import type { Books } from '../../books.ts';
import type { Config } from '../../config/config.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import { type Appender, releaseSegments } from '../../journal/appender.ts';
import type { TelemetrySource } from '../../journal/line.ts';
import { journalDir } from '../../journal/lone-record.ts';
import type { LeftSegment } from '../../journal/segment-counts.ts';
import { LeaseCheck } from '../../store/lease/lease.ts';
import { releaseFormer } from '../../store/lock.ts';
import type { OpenTasks } from '../metrics/open-tasks.ts';
import { Channel } from './channel.ts';
import type {
  AskedOfHolder,
  AskedOfRecorder,
  Started,
  ThreadRefusal,
  ToHolder,
  ToRecorder,
} from './messages.ts';
import { type Running, startHere, startProgram } from './spawn.ts';
import type { TaskEnder } from './task-ender.ts';
import { APPENDED, BEAT, newCells, type ThreadStart } from './thread-start.ts';

/** Part of `/readyz`. */
const PART = "the holder's thread";

/** Interval of the checks for beats. */
const CHECK_MS = 1_000;

/**
 * Checks without a beat after which the thread counts as hanging. Checks are counted, not time: a machine that slept has
 * stopped both threads.
 */
const CHECKS_MAX = 30;

/** Pause before a thread is started again; doubles while it does not stay, up to the longest. */
const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 30_000;

/** The longest pause when the start was refused, as by a full disk: it is to go on soon after the disk is well. */
const REFUSED_MAX_MS = 2_000;

/** A thread that has run for this long has started well: the next pause is short again. */
const STAYED_MS = 60_000;

/** Milliseconds for an answer that only reads memory. */
const READ_MS = 1_000;

/** Milliseconds for an answer of the search index, which may look into files. */
const SEARCH_MS = 25_000;

/** Milliseconds beyond its deadline for a shutdown: the store finishes what it has accepted. A hanging thread is ended before. */
const CLOSE_MS = 60_000;

/** Pause between two tries to write what a full disk has refused. */
const WRITE_POLL_MS = 50;

/** What the recording thread does with the messages of the store. */
export interface HolderEvents {
  taskEnded(end: ToRecorder['taskEnded']): void;
  workflowEnded(end: ToRecorder['workflowEnded']): void;
  approvalsWait(workflowId: string, count: number): void;
  deliveryStored(line: ToRecorder['deliveryStored']): void;
}

export interface HolderThreadOptions {
  readonly config: Config;
  readonly hold: ThreadStart['hold'];
  readonly source: TelemetrySource;
  readonly books: Books;
  readonly appender: Appender;
  readonly events: HolderEvents;
  readonly ender: TaskEnder;
  /** All secrets that are known now. */
  secrets(): readonly string[];
  /** The key of the log directory, as soon as it is known. */
  onKey(key: string): void;
  log(line: string): void;
  /** The file that the thread runs. Default: that of this package. */
  readonly entry?: URL;
  /** Milliseconds between two checks for beats. Default one second. */
  readonly checkMs?: number;
}

type HolderChannel = Channel<ToHolder, AskedOfHolder, ToRecorder, AskedOfRecorder>;

/**
 * The holder's thread, as the recording thread sees it: starts it, watches it, and starts it again when it ends or hangs.
 * Nothing is lost then: what is recorded stands in the journal, and the next thread goes on with the segments of the last one.
 */
export class HolderThread {
  /** Resolves when the records of earlier processes are stored, and at the shutdown. */
  readonly recovered: Promise<void>;
  readonly #options: HolderThreadOptions;
  readonly #segments = new Map<string, LeftSegment>();
  readonly #tokens: string[] = [];
  #resolveRecovered: () => void = () => {};
  #running: Running | undefined;
  #channel: HolderChannel | undefined;
  #cells: Int32Array = newCells();
  #url: string | undefined;
  #lease: { readonly key: string; readonly lease: number } | undefined;
  #restarts = 0;
  #pauseMs = RESTART_MIN_MS;
  #startedAt = 0;
  #restart: NodeJS.Timeout | undefined;
  #checks: NodeJS.Timeout | undefined;
  #whyEnded: string | undefined;
  /** From the end of the first start on. */
  #isOpen = false;
  #isClosing = false;

  private constructor(options: HolderThreadOptions) {
    this.#options = options;
    this.recovered = new Promise((resolve) => {
      this.#resolveRecovered = resolve;
    });
    options.appender.listen({
      opened: (segment) => {
        this.#segments.set(segment.id, segment);
        this.#channel?.tell('segment', segment);
      },
      readable: (id, bytes) => {
        this.#changeSegment(id, { readableTo: bytes });
        this.#channel?.tell('readable', { id, bytes });
      },
      appended: () => {
        if (Atomics.exchange(this.#cells, APPENDED, 1) === 0) this.#channel?.tell('appended', undefined);
      },
      completed: (id, size, entries) => {
        this.#changeSegment(id, { size, entries });
        this.#channel?.tell('completed', { id, size, entries });
      },
    });
  }

  /** Throws what the start of the holder throws: `ERR_DIRECTORY_HELD`, `ERR_DIRECTORY_UNUSABLE`, `ERR_PORT_IN_USE`, ... */
  static async start(options: HolderThreadOptions): Promise<HolderThread> {
    const thread = new HolderThread(options);
    const ended = await thread.#run(false);
    if (ended !== undefined) {
      // It ended before it had started: as in a bundle, the program may not be complete. It runs here then.
      const again = await thread.#run(true, `it could not be started: ${ended}`);
      if (again !== undefined) throw new TasktrailError('ERR_UNEXPECTED', `${PART}: ${again}`);
    }
    thread.#isOpen = true;
    const { checkMs = CHECK_MS } = options;
    if (thread.#running?.whyNoThread === undefined) thread.#watchBeats(checkMs);
    return thread;
  }

  /** Base URL of the receiver; undefined when this process does not hold the log directory. */
  get url(): string | undefined {
    return this.#url;
  }

  /** A check of the lease on the log directory, for a service; undefined when this process does not hold it. */
  leaseCheck(onLost: () => void): LeaseCheck | undefined {
    const { logDir } = this.#options.config;
    const isOwn = (token: string): boolean => this.#tokens.includes(token);
    return this.#lease && new LeaseCheck({ ...this.#lease, logDir, isOwn, onLost });
  }

  setSecrets(secrets: readonly string[]): void {
    this.#channel?.tell('secrets', secrets);
  }

  /** Asks the search index. Undefined when there is no answer: the files have to give it. */
  search<K extends 'list' | 'facets' | 'stats' | 'records'>(
    name: K,
    request: AskedOfHolder[K]['input'],
  ): Promise<AskedOfHolder[K]['answer'] | undefined> {
    return this.#ask(name, request, SEARCH_MS).catch(() => undefined);
  }

  /** Undefined when this process has no store, or it does not answer. */
  async readOpenTasks(): Promise<OpenTasks | undefined> {
    return this.#ask('openTasks', undefined, READ_MS).catch(() => undefined);
  }

  /** Sends the journal, then closes the appender, then the rest. Never rejects. */
  async close(deadlineMs: number): Promise<void> {
    const until = performance.now() + deadlineMs;
    const { appender, books, config } = this.#options;
    this.#isClosing = true;
    clearTimeout(this.#restart);
    try {
      const remainingMs = (): number => Math.max(0, until - performance.now());
      appender.flush();
      // On a full disk they wait in memory.
      while (appender.unwritten > 0 && remainingMs() > 0) {
        await delay(WRITE_POLL_MS);
        appender.flush();
      }
      await appender.synced();
      await this.#ask('drain', { deadlineMs: remainingMs() }, deadlineMs + CLOSE_MS);
      appender.close();
      const { recorded } = books.snapshot();
      await this.#ask('close', { deadlineMs: remainingMs(), recorded }, deadlineMs + CLOSE_MS);
    } catch (error) {
      books.setReason('shutdown', `${PART}: ${messageOf(error)}; records may wait in the journal`);
    }
    clearInterval(this.#checks);
    await this.#running?.end();
    this.closeSync();
    await releaseFormer(config.logDir, this.#tokens).catch(() => {});
    this.#resolveRecovered();
  }

  /** For the `exit` handler of a process, and for segments whose thread has ended. */
  closeSync(): void {
    const { appender, config } = this.#options;
    appender.close();
    releaseSegments(journalDir(config.logDir), this.#segments.values());
    this.#segments.clear();
  }

  async #ask<K extends keyof AskedOfHolder>(
    name: K,
    input: AskedOfHolder[K]['input'],
    withinMs: number,
  ): Promise<AskedOfHolder[K]['answer']> {
    const channel = this.#channel;
    if (channel === undefined)
      throw new TasktrailError('ERR_UNEXPECTED', this.#whyEnded ?? 'it is not started');
    return channel.ask(name, input, withinMs);
  }

  /** Resolves when the thread has started; with a reason when it has ended before. Throws when the start is refused. */
  async #run(isHere: boolean, why = ''): Promise<string | undefined> {
    const start = this.#nextStart();
    this.#cells = start.cells;
    this.#whyEnded = undefined;
    const running = isHere ? await startHere(start, why) : await startProgram(start, this.#options.entry);
    this.#running = running;
    this.#startedAt = performance.now();
    const outcome = await new Promise<Started | ThreadRefusal | string>((resolve) => {
      const channel = this.#connect(running, resolve);
      this.#channel = channel;
      // Also those that were opened while it was being started; what it has from the last thread it knows.
      for (const segment of this.#segments.values()) channel.tell('segment', segment);
      running.onEnd((reason) => {
        channel.close(this.#whyEnded ?? reason);
        if (this.#channel === channel) this.#channel = undefined;
        resolve(this.#whyEnded ?? reason);
        this.#onEnd(running, this.#whyEnded ?? reason);
      });
    });
    if (typeof outcome === 'string') return outcome;
    if ('message' in outcome) {
      // No restart for this one: its end is the caller's.
      this.#running = undefined;
      await running.end();
      throw errorOf(outcome);
    }
    this.#onStarted(running, outcome);
    return undefined;
  }

  #changeSegment(id: string, change: Partial<LeftSegment>): void {
    const segment = this.#segments.get(id);
    if (segment !== undefined) this.#segments.set(id, { ...segment, ...change });
  }

  #onStarted(running: Running, { url, key, lease }: Started): void {
    const { books, onKey } = this.#options;
    // From now on a program that has nothing else to do ends, and its end closes the trail.
    running.unref();
    this.#url = url;
    this.#lease = key === undefined || lease === undefined ? undefined : { key, lease };
    if (key !== undefined) onKey(key);
    books.setReason(PART, undefined);
    if (running.whyNoThread !== undefined)
      books.setNotice(PART, `runs in the thread of the program: ${running.whyNoThread}`);
  }

  #nextStart(): ThreadStart {
    const { config, hold, source, secrets } = this.#options;
    const isFirst = this.#tokens.length === 0;
    const former = { tokens: [...this.#tokens], url: this.#url, segments: [...this.#segments.values()] };
    const token = ulid();
    this.#tokens.push(token);
    return {
      config,
      // A process that does not hold the directory does not begin to because its thread has ended.
      hold: this.#isOpen && this.#url === undefined ? 'never' : hold,
      source,
      secrets: secrets(),
      token,
      former: isFirst ? undefined : former,
      cells: newCells(),
    };
  }

  #connect({ port }: Running, resolve: (outcome: Started | ThreadRefusal) => void): HolderChannel {
    const { books, events, ender, log } = this.#options;
    return new Channel<ToHolder, AskedOfHolder, ToRecorder, AskedOfRecorder>(port, {
      listeners: {
        started: resolve,
        refused: resolve,
        books: ({ places, ...state }) => {
          books.include(state);
          for (const { id, destination, index } of places)
            this.#changeSegment(id, {
              counted: { ...this.#segments.get(id)?.counted, [destination]: index },
            });
        },
        log: (line) => quietly(() => log(line)),
        segment: ({ id, path }) => this.#noteSegment(id, path),
        recovered: () => this.#resolveRecovered(),
        taskEnded: (end) => quietly(() => events.taskEnded(end)),
        workflowEnded: (end) => quietly(() => events.workflowEnded(end)),
        approvalsWait: ({ workflowId, count }) => quietly(() => events.approvalsWait(workflowId, count)),
        deliveryStored: (line) => quietly(() => events.deliveryStored(line)),
      },
      answers: {
        isWatched: (taskId) => ender.isWatched(taskId),
        abandon: async (task) => {
          await ender.abandon(task);
          return undefined;
        },
      },
    });
  }

  #noteSegment(id: string, path: string | undefined): void {
    if (path === undefined) this.#segments.delete(id);
    else {
      // One that the appender has not opened is another process's.
      const claimed = { readableTo: undefined, size: 0, entries: undefined, isClaimed: true };
      this.#segments.set(id, { ...(this.#segments.get(id) ?? claimed), id, path });
    }
  }

  #onEnd(running: Running, reason: string): void {
    if (this.#running !== running) return;
    this.#running = undefined;
    const { books, log } = this.#options;
    // What it said at last is about the shutdown.
    if (this.#isClosing) return;
    books.keepIncluded();
    if (!this.#isOpen) return;
    books.setReason(PART, `it has ended, and is started again: ${reason}`);
    quietly(() => log(`${PART} has ended, and is started again: ${reason}`));
    this.#restartLater(reason);
  }

  #restartLater(reason: string, longestMs: number = RESTART_MAX_MS): void {
    if (performance.now() - this.#startedAt > STAYED_MS) this.#pauseMs = RESTART_MIN_MS;
    const pauseMs = Math.min(this.#pauseMs, longestMs);
    this.#restart = setTimeout(() => void this.#runAgain(reason), pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, RESTART_MAX_MS);
  }

  async #runAgain(reason: string): Promise<void> {
    const { books } = this.#options;
    this.#restarts += 1;
    books.countThreadRestart();
    try {
      // When it ends before it has started, `#onEnd` starts it again.
      if ((await this.#run(false)) !== undefined) return;
      const times = this.#restarts === 1 ? 'once' : `${this.#restarts} times`;
      books.setNotice(PART, `it was started again ${times}; the last reason: ${reason}`);
    } catch (error) {
      books.setReason(PART, `it cannot be started again: ${messageOf(error)}`);
      if (!this.#isClosing) this.#restartLater(reason, REFUSED_MAX_MS);
    }
  }

  #watchBeats(checkMs: number): void {
    let [last, missed, cells] = [-1, 0, this.#cells];
    this.#checks = setInterval(() => {
      const beat = Atomics.load(this.#cells, BEAT);
      // The next thread begins with no beat, and so may the last one have ended.
      const isSame = cells === this.#cells && this.#running !== undefined;
      missed = isSame && beat === last ? missed + 1 : 0;
      [last, cells] = [beat, this.#cells];
      if (missed < CHECKS_MAX || this.#whyEnded !== undefined) return;
      this.#whyEnded = `it has not moved for ${missed} checks`;
      this.#options.books.setReason(PART, `it hangs and is ended: ${this.#whyEnded}`);
      void this.#running?.end();
    }, checkMs).unref();
  }
}

/** A defect of a listener must not reach the user's program, in which these messages arrive. */
function quietly(call: () => void): void {
  try {
    call();
  } catch {
    // The record is stored; a line of the log or a count of metrics is missing.
  }
}

function errorOf({ code, message, retryable }: ThreadRefusal): Error {
  return code === undefined ? new Error(message) : new TasktrailError(code, message, { retryable });
}
