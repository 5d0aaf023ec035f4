import { join } from 'node:path';
import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import type { SendResult } from '../export/transport.ts';
import type { Journal } from '../journal/journal.ts';
import { spanEntry, type TelemetrySource } from '../journal/line.ts';
import type { BatchEntry } from '../journal/segment-reader.ts';
import { isTerminal } from '../model/documents.ts';
import { leftRecordsTokenOf } from '../model/trail-token.ts';
import { type Receiver, startReceiver } from '../receive/server.ts';
import type { Reader } from '../serve/reader.ts';
import { Tombstones } from '../store/keep/tombstones.ts';
import { isJobKept } from '../store/kept-job.ts';
import { DirectoryLock, type LockOptions } from '../store/lock.ts';
import { closeToOthers } from '../store/private-directory.ts';
import type { Liveness } from '../store/write/liveness.ts';
import type { StoreObserver } from '../store/write/observer.ts';
import { Store } from '../store/write/store.ts';
import { setFileMode } from '../system/files/modes.ts';
import { sendAllLeftRecords, signalUrls } from './agents/send-left-records.ts';
import { observersTogether, startNotifying } from './notify/start-notify.ts';
import { AGENT_FOLDER, watchOrphanRuns } from './orphan-sweep.ts';
import { startReaper } from './reaper.ts';
import { scheduleRetention } from './retention-schedule.ts';
import { takeIntoStore } from './thread/own-store.ts';
import type { TaskEnder } from './thread/task-ender.ts';
import { watchUnreadable } from './unreadable-watch.ts';
import { isUploadedBy, startUploads, type Uploads } from './uploads.ts';

/** Milliseconds for an upload in flight at shutdown; the next start uploads the rest. */
const UPLOAD_MS = 2_000;

export interface HolderOptions {
  readonly config: Config;
  readonly books: Books;
  readonly journal: Journal;
  readonly reader: Reader;
  /** Resource and scope of the spans that the holder builds. */
  readonly source: TelemetrySource;
  /** Learns what the store writes. */
  readonly observer?: StoreObserver | undefined;
  readonly ender: TaskEnder;
  /** Whether records wait that may be about any task. */
  isBehind?(): Promise<boolean>;
  log(line: string): void;
}

/** What only the holder of the log directory runs: the store, its receiver, retention, reaper and uploads. */
export interface Holder {
  readonly url: string;
  /** Resolves when the files that an earlier process left unfinished are recovered. */
  readonly recovered: Promise<void>;
  /** Last activity of each running task. */
  readonly liveness: Liveness;
  /** Stores records of the journal. Undefined where they have to be sent. */
  take(entries: readonly BatchEntry[]): Promise<SendResult> | undefined;
  close(deadlineMs: number): Promise<void>;
}

/** Throws `ERR_DIRECTORY_UNUSABLE` naming the setting, and `ERR_DIRECTORY_HELD` when another process has it. */
export async function lockDirectory(
  config: Config,
  onLost: (reason: string) => void,
  options: Omit<LockOptions, 'key'> = {},
): Promise<DirectoryLock> {
  try {
    setFileMode(config.fileMode);
    return await DirectoryLock.acquire(config.logDir, onLost, { ...options, key: config.key });
  } catch (error) {
    if (error instanceof TasktrailError) {
      throw new TasktrailError(error.code, `TASK_LOGS_DIR: ${config.logDir}: ${error.message}`, {
        retryable: error.retryable,
        cause: error,
      });
    }
    throw new TasktrailError(
      'ERR_DIRECTORY_UNUSABLE',
      `TASK_LOGS_DIR: cannot write to ${config.logDir}: ${describe(error)}`,
      { cause: error },
    );
  }
}

/** Undefined when this process only sends: `store` is off, or another process holds the directory. */
export async function tryLock(
  config: Config,
  books: Books,
  { mustHold, ...options }: Omit<LockOptions, 'key'> & { readonly mustHold: boolean },
): Promise<DirectoryLock | undefined> {
  if (!config.store) return undefined;
  try {
    const onTrouble = (reason: string | undefined): void => books.setReason('lock touch', reason);
    return await lockDirectory(config, (reason) => books.setReason('lock', reason), {
      ...options,
      onTrouble,
    });
  } catch (error) {
    const isHeld = error instanceof TasktrailError && error.code === 'ERR_DIRECTORY_HELD';
    if (isHeld && !mustHold) return undefined;
    throw error;
  }
}

export async function startHolder(lock: DirectoryLock, options: HolderOptions): Promise<Holder> {
  const { config, books, journal, reader, source, observer, ender, log } = options;
  const tombstones = await openTombstones(lock, config);
  await closeDirectory(config.logDir, log);
  const notifying = await startNotifying({
    ...{ config, books, log },
    isHeld: () => lock.isHeld,
    readWorkflow: (id) => reader.readWorkflow(id),
  });
  let uploads: Uploads | undefined;
  const store = new Store({
    logDir: config.logDir,
    workflowDir: config.workflowDir,
    fsync: config.fsync,
    books,
    isHeld: () => lock.isHeld,
    isPruned: (kind, id) => tombstones.has(kind, id),
    onSpan: (span) => journal.append(source, spanEntry(span)),
    onDocument: (workflowId) => uploads?.archive.notify(workflowId),
    observer: notifying === undefined ? observer : observersTogether(observer, notifying.observer),
    log,
  });
  const receiver = await openReceiver(lock, config, store).catch(async (error: unknown) => {
    await notifying?.close();
    throw error;
  });
  store.start();
  uploads = startUploads(config, books, log);
  const recovered = store.recover().catch((error: unknown) => {
    books.setReason('recovery', messageOf(error));
  });
  void recovered.then(() => notifying?.recovered());
  const isUploaded = isUploadedBy(config, uploads);
  const isBehind = async (): Promise<boolean> => (await options.isBehind?.()) === true;
  const reaper = startReaper({ store, reader, ender, isBehind, log });
  const orphanWatch = watchOrphanRuns({
    folder: join(config.logDir, AGENT_FOLDER),
    // The service still has a job for a task that only a forged record has ended.
    isTaskOver: async (taskId) =>
      isTerminal((await reader.readDocument(taskId, 'metadata'))?.status) &&
      !(await isJobKept(config.logDir, taskId)),
    isBehind,
    sendLeftRecords: () =>
      sendAllLeftRecords(join(config.logDir, AGENT_FOLDER), {
        locate: async () => signalUrls(receiver.url),
        token: async (taskId) => leftRecordsTokenOf(lock.key, taskId),
        onProblem: (reason) => books.setNotice('records of agents', reason),
      }),
    onProblem: (reason) => books.setNotice('runs left by dead processes', reason),
    log,
  });
  const retention = scheduleRetention({ config, store, tombstones, books, isUploaded, recovered, log });
  const unreadable = watchUnreadable({ config, books, recovered, log });
  return {
    url: receiver.url,
    recovered,
    liveness: store.liveness,
    // Another process may hold the directory by now, and takes them at its address.
    take: (entries) => (lock.isHeld ? takeIntoStore(store, entries) : undefined),
    close: async (deadlineMs) => {
      const until = performance.now() + deadlineMs;
      try {
        await receiver.close(deadlineMs);
        await retention.close();
        await reaper.close();
        orphanWatch.close();
        unreadable.close();
        await store.close('the service has stopped');
        await notifying?.close();
        await uploads?.archive.close(Math.min(UPLOAD_MS, Math.max(0, until - performance.now())));
      } finally {
        await lock.release();
      }
    },
  };
}

async function closeDirectory(logDir: string, log: (line: string) => void): Promise<void> {
  try {
    const before = await closeToOthers(logDir);
    if (before === undefined) return;
    const advice = 'set TASK_LOGS_FILE_MODE to let other users read it';
    log(`${logDir} was open to other users (mode ${before.toString(8)}) and is no more: ${advice}`);
  } catch (error) {
    log(`the mode of ${logDir} cannot be changed: ${messageOf(error)}`);
  }
}

async function openTombstones(lock: DirectoryLock, config: Config): Promise<Tombstones> {
  try {
    return await Tombstones.open(config.logDir);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Starts the receiver and writes its address into the lock file. Releases the lock when that fails. */
async function openReceiver(lock: DirectoryLock, config: Config, store: Store): Promise<Receiver> {
  let receiver: Receiver | undefined;
  try {
    receiver = await listen(config, { sink: store, key: lock.key });
    await lock.announce(receiver.url);
    return receiver;
  } catch (error) {
    await receiver?.close(0);
    await lock.release();
    throw error;
  }
}

/** Takes a free port when the default one is in use. A configured port that is in use is an error. */
async function listen(config: Config, { sink, key }: { sink: Store; key: string }): Promise<Receiver> {
  const options = {
    host: config.otlpHost,
    corsOrigins: config.corsOrigins,
    sink,
    // The receiver must not keep a user's script alive. The service has its HTTP server for that.
    keepsProcessAlive: false,
    secrets: { apiToken: config.apiToken, key },
  };
  try {
    return await startReceiver({ ...options, port: config.otlpPort });
  } catch (error) {
    if (!(error instanceof TasktrailError)) throw error;
    const isTaken = error.code === 'ERR_PORT_IN_USE';
    if (isTaken && !config.otlpPortIsExplicit) return startReceiver({ ...options, port: 0 });
    const settings = isTaken ? 'TASK_LOGS_OTLP_PORT' : 'HOST, TASK_LOGS_OTLP_HOST, TASK_LOGS_OTLP_PORT';
    throw new TasktrailError(error.code, `${settings}: ${error.message}`, { cause: error });
  }
}

function describe(error: unknown): string {
  switch (errnoOf(error)) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${messageOf(error)}. Give this user write access, or set another directory`;
    case 'ENOTDIR':
    case 'EEXIST':
      return `${messageOf(error)}. A part of this path is a file, not a directory`;
    default:
      return messageOf(error);
  }
}
