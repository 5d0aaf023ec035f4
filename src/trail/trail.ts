import { join } from 'node:path';
import { Books } from '../books.ts';
import { type Config, type ConfigOptions, loadConfig } from '../config/config.ts';
import { isSwitchedOff } from '../config/environment.ts';
import { handedSecrets } from '../config/file/agent-variables.ts';
import { OtelRecorder } from '../export/otel-recorder.ts';
import { Appender } from '../journal/appender.ts';
import { destinationsOf, HOLDER } from '../journal/destination.ts';
import { journalLimitOf } from '../journal/journal-limit.ts';
import { journalDir } from '../journal/lone-record.ts';
import { agentTokenOf, leftRecordsTokenOf } from '../model/trail-token.ts';
import { activeRecorder, setOffSwitch, setRecorder } from '../record/recorder.ts';
import { safeLogLine } from '../redact/log-line.ts';
import { maskSecrets, setRedactRules } from '../redact/redact.ts';
import type { Reader } from '../serve/reader.ts';
import { readTrailKey } from '../store/key.ts';
import type { LeaseCheck } from '../store/lease/lease.ts';
import { setFileMode } from '../system/files/modes.ts';
import { KnownSecrets, secretsOf } from './config-secrets.ts';
import { TrailMetrics } from './metrics/trail-metrics.ts';
import { checkFilters } from './notify/receivers.ts';
import { AGENT_FOLDER } from './orphan-sweep.ts';
import { resourceOf, sourceOf } from './resource.ts';
import { type AskedIndex, searchingReader } from './search/searching-reader.ts';
import { HolderThread, type HolderThreadOptions } from './thread/holder-thread.ts';
import { taskEnder } from './thread/task-ender.ts';

/** Default deadline of the shutdown in milliseconds. Records that are not delivered by then stay in the journal. */
const SHUTDOWN_MS = 5_000;

/** Interval of a timer that does nothing but keep the process alive. */
const ALIVE_MS = 1_000;

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
  /** Whether this process still owns the log directory. Undefined when it does not hold it. `onLost` is called once. */
  leaseCheck(onLost: () => void): LeaseCheck | undefined;
}

/**
 * Opens the log directory, or finds the process that holds it, and starts recording. Throws `ERR_CONFIG_INVALID` listing
 * every problem, `ERR_DIRECTORY_UNUSABLE`, `ERR_DIRECTORY_HELD` with `hold: 'must'`, `ERR_PORT_IN_USE` for a configured port,
 * and a `TypeError` for a second call. Later failures are in `books`, never thrown.
 */
export async function startTasktrail(options: StartOptions = {}): Promise<Trail> {
  return openTrail(options, new TrailMetrics());
}

/** `startTasktrail` with metrics of the caller, which are closed with the trail. `threadOptions` are for tests. */
export async function openTrail(
  options: StartOptions,
  metrics: TrailMetrics,
  threadOptions: Pick<HolderThreadOptions, 'entry' | 'checkMs'> = {},
): Promise<Trail> {
  const config = options.config ?? loadConfig(options);
  const books = new Books();
  let thread: HolderThread | undefined;
  const own: AskedIndex = {
    list: (request) => keptAlive(thread?.search('list', request)),
    facets: (request) => keptAlive(thread?.search('facets', request)),
    stats: (request) => keptAlive(thread?.search('stats', request)),
    records: (request) => keptAlive(thread?.search('records', request)),
  };
  const reader = searchingReader(config, () => (thread?.url === undefined ? undefined : own));
  if (!config.enabled) {
    setRecorder(undefined);
    metrics.watchProcess(books);
    return offTrail({ config, books, reader, metrics });
  }
  checkFilters(config);
  setFileMode(config.fileMode);
  maskSecrets([...secretsOf(config), ...handedSecrets(config)]);
  setRedactRules(config.redactRules);
  if (activeRecorder() !== undefined)
    throw new TypeError('tasktrail is started already: call startTasktrail once');
  const print = options.log ?? ((line) => process.stderr.write(`tasktrail: ${line}\n`));
  // Names and messages in it come from outside.
  const log = (line: string): void => void print(safeLogLine(line));
  books.setDestinations(destinationsOf(config));
  const appender = new Appender({
    directory: journalDir(config.logDir),
    destinations: destinationsOf(config),
    books,
    fsync: config.fsync,
    limit: journalLimitOf(config),
  });
  const resource = resourceOf(config);
  const secrets = new KnownSecrets([...secretsOf(config), ...handedSecrets(config)], (all) =>
    thread?.setSecrets(all),
  );
  try {
    thread = await HolderThread.start({
      config,
      hold: config.store ? (options.hold ?? 'may') : 'never',
      source: sourceOf(resource),
      books,
      appender,
      events: metrics,
      ender: taskEnder(reader),
      secrets: () => secrets.all,
      onKey: (key) => secrets.addKey(key),
      log,
      ...threadOptions,
    });
  } catch (error) {
    appender.close();
    throw error;
  }
  const recorder = new OtelRecorder({
    resource,
    journal: appender,
    emitWorkflowEvents: config.emitWorkflowEvents,
  });
  metrics.watchProcess(books);
  if (thread.url !== undefined) metrics.watchStore(() => thread.readOpenTasks());
  return new OpenTrail({ config, books, reader, appender, thread, recorder, metrics, secrets });
}

/** The thread does not keep the process alive: without this, a script that awaits its answer would end. */
async function keptAlive<T>(answer: Promise<T> | undefined): Promise<T | undefined> {
  const timer = setInterval(() => {}, ALIVE_MS);
  try {
    return await answer;
  } finally {
    clearInterval(timer);
  }
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
  readonly appender: Appender;
  readonly thread: HolderThread;
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
  readonly #onExit = (): void => this.#parts.thread.closeSync();
  readonly #onBeforeExit = (): void => void this.shutdown();
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.config = parts.config;
    this.books = parts.books;
    this.reader = parts.reader;
    this.recovered = parts.thread.recovered;
    parts.recorder.install();
    setRecorder(parts.recorder);
    current = this;
    process.on('exit', this.#onExit);
    // A script that ends without a call of `shutdown` still delivers its records.
    process.on('beforeExit', this.#onBeforeExit);
  }

  get otlpUrl(): string | undefined {
    return this.#parts.thread.url;
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

  leaseCheck(onLost: () => void): LeaseCheck | undefined {
    return this.#parts.thread.leaseCheck(onLost);
  }

  flush(): void {
    this.#parts.appender.flush();
  }

  synced(): Promise<void> {
    return this.#parts.appender.synced();
  }

  shutdown(deadlineMs: number = SHUTDOWN_MS): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #readKey(): Promise<string | undefined> {
    const { key, logDir } = this.config;
    return key ?? (destinationsOf(this.config).includes(HOLDER) ? await readTrailKey(logDir) : undefined);
  }

  async #close(deadlineMs: number): Promise<void> {
    // The thread does not keep the process alive; this timer does until the shutdown is complete.
    const keepAlive = setInterval(() => {}, ALIVE_MS);
    process.off('beforeExit', this.#onBeforeExit);
    const { recorder, thread, metrics } = this.#parts;
    metrics.close();
    setRecorder(undefined);
    current = undefined;
    recorder.uninstall();
    await thread.close(deadlineMs);
    process.off('exit', this.#onExit);
    clearInterval(keepAlive);
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
