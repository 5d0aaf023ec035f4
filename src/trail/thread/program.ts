import { setTimeout as delay } from 'node:timers/promises';
import { Books } from '../../books.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import type { Sender } from '../../export/sender.ts';
import { HOLDER } from '../../journal/destination.ts';
import { Journal } from '../../journal/journal.ts';
import { journalLimitOf } from '../../journal/journal-limit.ts';
import { journalDir } from '../../journal/lone-record.ts';
import { type JournalWatch, watchJournal } from '../../journal/watch.ts';
import { maskSecrets, setRedactRules } from '../../redact/redact.ts';
import { LeaseCheck } from '../../store/lease/lease.ts';
import type { DirectoryLock } from '../../store/lock.ts';
import { createReader } from '../../store/read/reader.ts';
import type { StoreObserver } from '../../store/write/observer.ts';
import { setFileMode } from '../../system/files/modes.ts';
import { setLeaseGuard } from '../../system/lease-guard.ts';
import { secretsOfKey } from '../config-secrets.ts';
import { createSenders, destinationsOf } from '../destinations.ts';
import { type Holder, startHolder, tryLock } from '../holder.ts';
import { deliveryFacts, taskEndFacts, workflowEndFacts } from '../metrics/end-facts.ts';
import { openTasksOf } from '../metrics/open-tasks.ts';
import type { OwnLease } from '../search/index-messages.ts';
import { IndexThread } from '../search/index-thread.ts';
import { Backlog } from './backlog.ts';
import { Channel, type Port } from './channel.ts';
import type { AskedOfHolder, AskedOfRecorder, ToHolder, ToRecorder } from './messages.ts';
import type { TaskEnder } from './task-ender.ts';
import { APPENDED, BEAT, type ThreadStart } from './thread-start.ts';

/** Interval of beats, short compared with the limit of the thread that watches them. */
const BEAT_MS = 500;

/** Books change with every request; readers of them do not notice this delay. */
const BOOKS_MS = 20;

/**
 * Records that are appended within this time need no message of their own: as long as a sender waits for more after the
 * first one. Each message costs the recording thread more than the write of its tick.
 */
const APPENDED_MS = 20;

/** Interval in milliseconds for claiming the segments of dead processes. */
const CLAIM_MS = 1_000;

/** Poll interval in milliseconds while the backlog of earlier processes is sent. */
const RECOVER_POLL_MS = 20;

/** Longest wait in milliseconds for other processes: one may be stopped, or its other destination be away. */
const CLAIMED_MS_MAX = 5_000;

/** Milliseconds at shutdown for a destination that was not reachable before. */
const UNREACHABLE_MS = 200;

/** The same for the store of this process, which refuses while its disk does. The records are safe in the journal if it goes on to. */
const REFUSING_MS = 1_000;

/** Milliseconds for an answer of the recording thread, which its program may keep busy. */
const ANSWER_MS = 30_000;

/**
 * Runs everything behind the journal: sends it, and holds the log directory when `start` says so and no other process does. The
 * same in a thread of its own (`isAlone`) and, where that cannot be started, in the thread that records. Never rejects.
 */
export async function runHolderProgram(
  port: Port,
  start: ThreadStart,
  { isAlone = false }: { readonly isAlone?: boolean } = {},
): Promise<void> {
  const program = new HolderProgram(port, start, isAlone);
  await program.start();
}

const TAKEN_OVER = 'another process has taken over the log directory';

class HolderProgram {
  readonly #start: ThreadStart;
  readonly #isAlone: boolean;
  readonly #books: Books;
  readonly #journal: Journal;
  readonly #channel: Channel<ToRecorder, AskedOfRecorder, ToHolder, AskedOfHolder>;
  readonly #beats: NodeJS.Timeout;
  #claims: NodeJS.Timeout | undefined;
  #booksTimer: NodeJS.Timeout | undefined;
  #senders: readonly Sender[] = [];
  #holder: Holder | undefined;
  #index: IndexThread | undefined;
  #watch: JournalWatch | undefined;
  /** Whether the records of earlier processes are stored, and their tasks read. */
  #isThrough = false;
  readonly #backlog: Backlog;
  #isClaiming = false;
  #isClosing = false;

  constructor(port: Port, start: ThreadStart, isAlone: boolean) {
    this.#start = start;
    this.#isAlone = isAlone;
    const { config, former, cells } = start;
    setFileMode(config.fileMode);
    maskSecrets(start.secrets);
    setRedactRules(config.redactRules);
    this.#books = new Books(() => {
      this.#booksTimer ??= setTimeout(() => this.#publish(), BOOKS_MS).unref();
    });
    this.#backlog = new Backlog(journalDir(config.logDir));
    this.#journal = new Journal({
      directory: journalDir(config.logDir),
      destinations: destinationsOf(config),
      books: this.#books,
      fsync: config.fsync,
      limit: journalLimitOf(config),
      onSegment: (id, path) => this.#channel.tell('segment', { id, path }),
      // The next thread, if this one ends now, does not count these records again.
      beforeAdvance: () => this.#publish(),
    });
    for (const segment of former?.segments ?? []) this.#journal.adopt(segment);
    this.#channel = new Channel<ToRecorder, AskedOfRecorder, ToHolder, AskedOfHolder>(port, {
      listeners: {
        segment: (segment) => this.#journal.follow(segment),
        readable: ({ id, bytes }) => this.#journal.readable(id, bytes),
        completed: ({ id, size, entries }) => this.#journal.complete(id, size, entries),
        appended: () => this.#lookAtAppended(),
        secrets: (secrets) => maskSecrets(secrets),
      },
      answers: {
        list: async (request) => this.#index?.list(request),
        facets: async (request) => this.#index?.facets(request),
        stats: async (request) => this.#index?.stats(request),
        records: async (request) => this.#index?.records(request),
        openTasks: async () => this.#holder && openTasksOf(this.#holder.liveness.all()),
        drain: ({ deadlineMs }) => this.#drain(performance.now() + deadlineMs),
        close: ({ deadlineMs, recorded }) => this.#close(performance.now() + deadlineMs, recorded),
      },
    });
    this.#beats = setInterval(() => Atomics.add(cells, BEAT, 1), BEAT_MS).unref();
  }

  async start(): Promise<void> {
    const { config } = this.#start;
    try {
      const lock = await this.#lock();
      if (lock !== undefined)
        this.#index = new IndexThread({ config, books: this.#books, lease: ownLease(lock) });
      this.#holder = lock && (await this.#hold(lock));
      this.#senders = await createSenders(config, {
        journal: this.#journal,
        books: this.#books,
        take: (entries) => this.#holder?.take(entries),
      });
      for (const sender of this.#senders) sender.start();
      this.#claims = setInterval(() => void this.#claim(), CLAIM_MS).unref();
      // Claims the record of an `emit` within milliseconds instead of at the next interval.
      this.#watch =
        this.#holder &&
        watchJournal(
          journalDir(config.logDir),
          () => this.#claim(),
          (reason) => this.#books.setNotice('journal watch', reason),
        );
      this.#publish();
      this.#channel.tell('started', { url: this.#holder?.url, key: lock?.key, lease: lock?.lease });
    } catch (error) {
      const isOurs = error instanceof TasktrailError;
      const [code, retryable] = isOurs ? [error.code, error.retryable] : [undefined, false];
      clearInterval(this.#beats);
      await this.#index?.close();
      // In a thread of the program the lock would stay.
      await this.#holder?.close(0).catch(() => {});
      this.#channel.tell('refused', { code, message: messageOf(error), retryable });
      return;
    }
    await this.#recover();
    this.#isThrough = true;
    this.#channel.tell('recovered', undefined);
  }

  /** After the end of an earlier thread, another process may have taken over. */
  async #lock(): Promise<DirectoryLock | undefined> {
    const { config, hold, token, former } = this.#start;
    if (hold === 'never') return undefined;
    const tokens = former === undefined ? {} : { former: former.tokens };
    const mustHold = hold === 'must' && former?.url === undefined;
    const lock = await tryLock(config, this.#books, { mustHold, token, ...tokens });
    if (lock === undefined && former?.url !== undefined) this.#books.setReason('lock', TAKEN_OVER);
    return lock;
  }

  #hold(lock: DirectoryLock): Promise<Holder> {
    if (lock.former !== undefined) this.#journal.supersede(lock.former);
    // In the thread that records, a guard would also stop what is not the holder's.
    if (this.#isAlone) setLeaseGuard(this.#leaseCheck(lock));
    const { config, source, secrets, former } = this.#start;
    maskSecrets([...secrets, ...secretsOfKey(lock.key)]);
    const port = former?.url === undefined ? config.otlpPort : Number(new URL(former.url).port);
    return startHolder(lock, {
      config: { ...config, otlpPort: port },
      books: this.#books,
      journal: this.#journal,
      reader: createReader(config.logDir, {
        workflowDir: config.workflowDir,
        expectsUploads: config.s3 !== undefined,
      }),
      source,
      observer: this.#observer(),
      ender: this.#ender(),
      isBehind: async () => !this.#isThrough || this.#backlog.isMoving(),
      log: (line) => this.#channel.tell('log', line),
    });
  }

  #leaseCheck({ key, lease, token }: DirectoryLock): LeaseCheck {
    const { logDir } = this.#start.config;
    const onLost = (): void => this.#books.setReason('lock', TAKEN_OVER);
    return new LeaseCheck({ logDir, key, lease, isOwn: (found) => found === token, onLost });
  }

  #observer(): StoreObserver {
    const channel = this.#channel;
    return {
      taskEnded: (end) => channel.tell('taskEnded', taskEndFacts(end)),
      workflowEnded: (end) => channel.tell('workflowEnded', workflowEndFacts(end)),
      approvalsWait: (workflowId, count) => channel.tell('approvalsWait', { workflowId, count }),
      deliveryStored: (line) => channel.tell('deliveryStored', deliveryFacts(line)),
      taskChanged: (taskId) => this.#index?.noteTask(taskId),
      workflowChanged: (workflowId) => this.#index?.noteWorkflow(workflowId),
      deliveriesChanged: (day) => this.#index?.noteDeliveries(day),
    };
  }

  #ender(): TaskEnder {
    return {
      isRecording: () => !this.#isClosing,
      isWatched: (taskId) => this.#channel.ask('isWatched', taskId, ANSWER_MS),
      abandon: (task) => this.#channel.ask('abandon', task, ANSWER_MS),
    };
  }

  #publish(): void {
    clearTimeout(this.#booksTimer);
    this.#booksTimer = undefined;
    this.#channel.tell('books', { ...this.#books.state(), places: this.#journal.takePlaces() });
  }

  /** Later records send a message only after the cell is set back, and the senders look again after that. */
  #lookAtAppended(): void {
    this.#journal.wake();
    setTimeout(() => {
      Atomics.store(this.#start.cells, APPENDED, 0);
      this.#journal.wake();
    }, APPENDED_MS).unref();
  }

  async #recover(): Promise<void> {
    await this.#claim();
    // Without a deadline: only a stored backlog shows which tasks are unfinished. A process that only sends need not wait.
    if (this.#holder === undefined) return;
    while (!this.#isClosing && (await this.#senders[0]?.drain(0)) === false) {
      // Does not keep the process alive: on a full disk the backlog would never be stored.
      await delay(RECOVER_POLL_MS, undefined, { ref: false });
    }
    await this.#waitForClaims();
    await this.#holder.recovered;
  }

  /**
   * A recorder may have claimed the segments of the last holder before this process was the holder. It sends them now, and
   * they may hold the ends of tasks.
   */
  async #waitForClaims(): Promise<void> {
    const until = performance.now() + CLAIMED_MS_MAX;
    while (!this.#isClosing && performance.now() < until) {
      if (!(await this.#journal.hasClaimsOfOthers().catch(() => false))) return;
      await delay(RECOVER_POLL_MS, undefined, { ref: false });
    }
  }

  async #claim(): Promise<void> {
    if (this.#isClaiming) return;
    this.#isClaiming = true;
    try {
      // A pass can miss segments that appear while it runs, so it is repeated until it claims none.
      while ((await this.#journal.claimOrphans()) > 0) if (this.#isClosing) break;
    } catch (error) {
      this.#books.setReason('journal', messageOf(error));
    } finally {
      this.#isClaiming = false;
    }
  }

  async #drain(until: number): Promise<undefined> {
    this.#isClosing = true;
    clearInterval(this.#claims);
    this.#watch?.close();
    // Records whose message would still come.
    this.#journal.wake();
    const remainingMs = (): number => Math.max(0, until - performance.now());
    await Promise.all(this.#senders.map((sender) => this.#drainTo(sender, remainingMs)));
    await Promise.all(this.#senders.map((sender) => sender.stop(Math.min(remainingMs(), UNREACHABLE_MS))));
  }

  /** A destination that was away is tried at once, and gets the whole time when it takes records again. */
  async #drainTo(sender: Sender, remainingMs: () => number): Promise<void> {
    const { destination } = sender;
    sender.hurry();
    if (this.#books.reasons.has(destination)) {
      const isOwn = destination === HOLDER && this.#holder !== undefined;
      const until = performance.now() + Math.min(remainingMs(), isOwn ? REFUSING_MS : UNREACHABLE_MS);
      while (this.#books.reasons.has(destination)) {
        if (performance.now() >= until) return;
        if (await sender.drain(RECOVER_POLL_MS)) return;
      }
    }
    await sender.drain(remainingMs());
  }

  /** Receiver, store and lock after the journal: the last records of this process are stored by its own store. */
  async #close(until: number, recorded: number): Promise<undefined> {
    const failed = (error: unknown): void =>
      this.#books.setReason('shutdown', `not everything was closed: ${messageOf(error)}`);
    try {
      for (const destination of this.#journal.destinations) {
        const pending = await this.#journal.countPending(destination);
        if (pending === 0) continue;
        const records = pending > recorded ? 'records, of earlier runs too,' : 'records';
        this.#books.setReason(destination, `${pending} ${records} wait in the journal`);
      }
      await this.#journal.close();
    } catch (error) {
      failed(error);
    }
    await this.#index?.close();
    await this.#holder?.close(Math.max(0, until - performance.now())).catch(failed);
    clearInterval(this.#beats);
    this.#publish();
  }
}

/** As plain data, for another thread. */
function ownLease({ key, lease, token }: DirectoryLock): OwnLease {
  return { key, lease, token };
}
