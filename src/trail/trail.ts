import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Books } from '../books.ts';
import { type Config, type ConfigOptions, loadConfig } from '../config/config.ts';
import { isSwitchedOff } from '../config/environment.ts';
import { handedSecrets } from '../config/file/agent-variables.ts';
import { messageOf } from '../errors.ts';
import { OtelRecorder } from '../export/otel-recorder.ts';
import type { Sender } from '../export/sender.ts';
import { Journal } from '../journal/journal.ts';
import { journalDir } from '../journal/lone-record.ts';
import { type JournalWatch, watchJournal } from '../journal/watch.ts';
import { agentTokenOf, leftRecordsTokenOf } from '../model/trail-token.ts';
import { activeRecorder, setOffSwitch, setRecorder } from '../record/recorder.ts';
import { safeLogLine } from '../redact/log-line.ts';
import { maskSecrets, setRedactRules } from '../redact/redact.ts';
import type { Reader } from '../serve/reader.ts';
import { readTrailKey } from '../store/key.ts';
import { createReader } from '../store/read/reader.ts';
import { setFileMode } from '../system/files/modes.ts';
import { KnownSecrets, secretsOf, secretsOfKey } from './config-secrets.ts';
import { createSenders, destinationsOf, HOLDER } from './destinations.ts';
import { type Holder, startHolder, tryLock } from './holder.ts';
import { TrailMetrics } from './metrics/trail-metrics.ts';
import { AGENT_FOLDER } from './orphan-sweep.ts';
import { resourceOf, sourceOf } from './resource.ts';

/** Interval in milliseconds for claiming the segments of dead processes. */
const CLAIM_MS = 1_000;

/** Poll interval in milliseconds while the backlog of earlier processes is sent. */
const RECOVER_POLL_MS = 20;

/** Longest wait in milliseconds for other processes: one may be stopped, or its other destination be away. */
const CLAIMED_MS_MAX = 5_000;

/** Default deadline of the shutdown in milliseconds. Records that are not delivered by then stay in the journal. */
const SHUTDOWN_MS = 5_000;

/** Milliseconds at shutdown for a destination that was not reachable before. */
const UNREACHABLE_MS = 200;

export interface StartOptions extends ConfigOptions {
  /** A resolved configuration, instead of reading it from the environment. */
  readonly config?: Config;
  /**
   * Whether this process holds the log directory. `may` (default): yes, unless another process does; then it sends to that
   * one. `must`: throws `ERR_DIRECTORY_HELD` when another process does. `never`: it only sends, as with `store` off.
   */
  readonly hold?: 'may' | 'must' | 'never';
  /** Receives log lines. Default: writes them to standard error. */
  readonly log?: (line: string) => void;
}

// Every library entry imports this file: recording without a start then warns only if recording is not switched off.
setOffSwitch(isSwitchedOff);

/** An open trail, as `startTasktrail` returns it. */
export interface Trail {
  readonly config: Config;
  readonly books: Books;
  /** Reads the log directory; this process need not hold it. */
  readonly reader: Reader;
  /** Address of this process's OTLP receiver; undefined when it does not hold the directory, or recording is off. */
  readonly otlpUrl: string | undefined;
  /** Resolves when the records of earlier processes are stored and their unfinished files recovered. */
  readonly recovered: Promise<void>;
  /** Writes all records so far to the operating system before it returns. */
  flush(): void;
  /**
   * Resolves when all records so far are on the disk, as `TASK_LOGS_FSYNC` promises it: to be awaited before an answer
   * that must be true after a power cut. With `never` they are written to the operating system. Never rejects.
   */
  synced(): Promise<void>;
  /** Sends pending records and closes everything. Never rejects; safe to call twice. Default deadline 5,000 ms. */
  shutdown(deadlineMs?: number): Promise<void>;
}

/** An open trail as this package uses it. */
export interface ActiveTrail extends Trail {
  /**
   * The token with which an agent of this task may send records about it, and no others. Undefined when this process cannot
   * know the key of the log directory: a remote worker without TASK_LOGS_KEY. Rejects when the key cannot be read.
   */
  agentToken(taskId: string): Promise<string | undefined>;
  /** The token with which this process sends what the task's agent has left, also after the task's end. As `agentToken`. */
  leftRecordsToken(taskId: string): Promise<string | undefined>;
}

/**
 * Opens the log directory, or finds the process that holds it, and starts recording. Throws `ERR_CONFIG_INVALID` listing
 * every problem, `ERR_DIRECTORY_UNUSABLE`, and `ERR_PORT_IN_USE` for a configured port. Later failures are in `books`, never thrown.
 */
export async function startTasktrail(options: StartOptions = {}): Promise<Trail> {
  return openTrail(options, new TrailMetrics());
}

/** `startTasktrail` with metrics of the caller, which are closed with the trail. */
export async function openTrail(options: StartOptions, metrics: TrailMetrics): Promise<Trail> {
  const config = options.config ?? loadConfig(options);
  const books = new Books();
  const reader: Reader = createReader(config.logDir, {
    workflowDir: config.workflowDir,
    expectsUploads: config.s3 !== undefined,
  });
  if (!config.enabled) {
    setRecorder(undefined);
    metrics.watchProcess(books);
    return offTrail({ config, books, reader, metrics });
  }
  setFileMode(config.fileMode);
  maskSecrets([...secretsOf(config), ...handedSecrets(config)]);
  setRedactRules(config.redactRules);
  if (activeRecorder() !== undefined)
    throw new TypeError('tasktrail is started already: call startTasktrail once');
  const print = options.log ?? ((line) => process.stderr.write(`tasktrail: ${line}\n`));
  // Names and messages in it come from outside.
  const log = (line: string): void => void print(safeLogLine(line));
  const lock = options.hold === 'never' ? undefined : await tryLock(config, books, options.hold === 'must');
  const secrets = new KnownSecrets([
    ...secretsOf(config),
    ...handedSecrets(config),
    ...(lock === undefined ? [] : secretsOfKey(lock.key)),
  ]);
  const destinations = destinationsOf(config);
  const journal = new Journal({
    directory: journalDir(config.logDir),
    destinations,
    books,
    fsync: config.fsync,
  });
  const resource = resourceOf(config);
  const source = sourceOf(resource);
  const recorder = new OtelRecorder({ resource, journal, emitWorkflowEvents: config.emitWorkflowEvents });
  const holder = lock && (await startHolder(lock, { config, books, journal, reader, source, metrics, log }));
  metrics.watchProcess(books, journal);
  return new OpenTrail({ config, books, reader, journal, holder, recorder, metrics, secrets });
}

/** Directory for the runs of agents, by task id. */
export function agentFolder(logDir: string): string {
  return join(logDir, AGENT_FOLDER);
}

let current: ActiveTrail | undefined;

/** The open trail of this process. */
export function activeTrail(): ActiveTrail | undefined {
  return current;
}

interface Parts {
  readonly config: Config;
  readonly books: Books;
  readonly reader: Reader;
  readonly journal: Journal;
  readonly holder: Holder | undefined;
  readonly recorder: OtelRecorder;
  readonly metrics: TrailMetrics;
  readonly secrets: KnownSecrets;
}

class OpenTrail implements ActiveTrail {
  readonly config: Config;
  readonly books: Books;
  readonly reader: Reader;
  readonly recovered: Promise<void>;
  readonly #parts: Parts;
  readonly #senders: readonly Sender[];
  readonly #claims: NodeJS.Timeout;
  readonly #watch: JournalWatch | undefined;
  #isClaiming = false;
  readonly #onExit = (): void => this.#parts.journal.closeSync();
  readonly #onBeforeExit = (): void => void this.shutdown();
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.config = parts.config;
    this.books = parts.books;
    this.reader = parts.reader;
    const { journal, recorder, books } = parts;
    recorder.install();
    setRecorder(recorder);
    current = this;
    this.#senders = createSenders(parts.config, journal, books);
    for (const sender of this.#senders) sender.start();
    this.#claims = setInterval(() => void this.#claim(), CLAIM_MS).unref();
    this.recovered = this.#recover();
    // Claims the record of an `emit` within milliseconds instead of at the next interval.
    this.#watch =
      parts.holder &&
      watchJournal(
        journalDir(parts.config.logDir),
        () => this.#claim(),
        (reason) => books.setNotice('journal watch', reason),
      );
    process.on('exit', this.#onExit);
    // A script that ends without a call of `shutdown` still delivers its records.
    process.on('beforeExit', this.#onBeforeExit);
  }

  get otlpUrl(): string | undefined {
    return this.#parts.holder?.url;
  }

  async agentToken(taskId: string): Promise<string | undefined> {
    const key = await this.#readKey();
    if (key === undefined) return undefined;
    const token = agentTokenOf(key, taskId);
    // An agent may print its environment.
    this.#parts.secrets.addToken(key, token);
    return token;
  }

  async leftRecordsToken(taskId: string): Promise<string | undefined> {
    const key = await this.#readKey();
    return key && leftRecordsTokenOf(key, taskId);
  }

  flush(): void {
    this.#parts.journal.flush();
  }

  synced(): Promise<void> {
    return this.#parts.journal.synced();
  }

  shutdown(deadlineMs: number = SHUTDOWN_MS): Promise<void> {
    this.#closing ??= this.#close(performance.now() + deadlineMs);
    return this.#closing;
  }

  async #readKey(): Promise<string | undefined> {
    const { key, logDir } = this.config;
    return key ?? (destinationsOf(this.config).includes(HOLDER) ? await readTrailKey(logDir) : undefined);
  }

  async #recover(): Promise<void> {
    const { holder } = this.#parts;
    await this.#claim();
    // Without a deadline: only a stored backlog shows which tasks are unfinished. A process that only sends need not wait.
    if (holder === undefined) return;
    while (this.#closing === undefined && (await this.#senders[0]?.drain(0)) === false) {
      // Does not keep the process alive: on a full disk the backlog would never be stored.
      await delay(RECOVER_POLL_MS, undefined, { ref: false });
    }
    await this.#waitForClaims();
    await holder.recovered;
  }

  /**
   * A recorder may have claimed the segments of the last holder before this process was the holder. It sends them now, and
   * they may hold the ends of tasks.
   */
  async #waitForClaims(): Promise<void> {
    const until = performance.now() + CLAIMED_MS_MAX;
    while (this.#closing === undefined && performance.now() < until) {
      if (!(await this.#parts.journal.hasClaimsOfOthers().catch(() => false))) return;
      await delay(RECOVER_POLL_MS, undefined, { ref: false });
    }
  }

  async #claim(): Promise<void> {
    if (this.#isClaiming) return;
    this.#isClaiming = true;
    try {
      // A pass can miss segments that appear while it runs, so it is repeated until it claims none.
      while ((await this.#parts.journal.claimOrphans()) > 0) if (this.#closing !== undefined) break;
    } catch (error) {
      this.books.setReason('journal', messageOf(error));
    } finally {
      this.#isClaiming = false;
    }
  }

  /** Sends the journal, then closes receiver, store and lock: the last records of this process are stored by its own store. */
  async #close(until: number): Promise<void> {
    const remainingMs = (): number => Math.max(0, until - performance.now());
    // The timers and sockets of the trail do not keep the process alive; this one does until the shutdown is complete.
    const keepAlive = setInterval(() => {}, CLAIM_MS);
    process.off('beforeExit', this.#onBeforeExit);
    clearInterval(this.#claims);
    this.#parts.metrics.close();
    this.#watch?.close();
    setRecorder(undefined);
    current = undefined;
    const { recorder, journal, holder } = this.#parts;
    recorder.uninstall();
    try {
      await Promise.all(this.#senders.map((sender) => this.#drain(sender, remainingMs())));
      await Promise.all(this.#senders.map((sender) => sender.stop(Math.min(remainingMs(), UNREACHABLE_MS))));
      for (const destination of journal.destinations) {
        const pending = await journal.countPending(destination);
        if (pending === 0) continue;
        const { recorded } = this.books.snapshot();
        const records = pending > recorded ? 'records, of earlier runs too,' : 'records';
        this.books.setReason(destination, `${pending} ${records} wait in the journal`);
      }
      await journal.close();
    } catch (error) {
      this.books.setReason('shutdown', `not everything was closed: ${messageOf(error)}`);
    }
    try {
      await holder?.close(remainingMs());
    } catch (error) {
      this.books.setReason('shutdown', `not everything was closed: ${messageOf(error)}`);
    }
    process.off('exit', this.#onExit);
    clearInterval(keepAlive);
  }

  async #drain(sender: Sender, deadlineMs: number): Promise<void> {
    const isAway = this.books.reasons.has(sender.destination);
    await sender.drain(isAway ? Math.min(deadlineMs, UNREACHABLE_MS) : deadlineMs);
  }
}

function offTrail(parts: Pick<Parts, 'config' | 'books' | 'reader' | 'metrics'>): Trail {
  const { config, books, reader, metrics } = parts;
  return {
    config,
    books,
    reader,
    otlpUrl: undefined,
    recovered: Promise.resolve(),
    flush: () => {},
    synced: async () => {},
    shutdown: async () => metrics.close(),
  };
}
