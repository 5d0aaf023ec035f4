import { closeSync, fchownSync, renameSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentOutcome, RunOrigin } from '../model/agent-output.ts';
import { type JsonObject, parseObject } from '../model/json.ts';
import { makeDirectorySync } from '../system/files/make-directory.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER } from '../system/files/modes.ts';
import { writeNewSync, writeNewText } from '../system/files/new-file.ts';
import { checkFolders } from '../system/files/real-folders.ts';
import { openSafeSync, readTextSync } from '../system/files/safe-open.ts';
import type { Account } from './account.ts';
import { type AgentPlace, logDirOf, removePlace } from './agent-place.ts';
import { keepLeftRecords, leftRecordsFolder } from './left-records.ts';
import { ReadLog } from './read-log.ts';

/** Folders of ours up to that of a run: `_agent/<task>/<run>`. */
const LEVELS = 3;

const FILES = {
  facts: 'run.json',
  outcome: 'outcome.json',
  stdin: 'stdin',
  stdout: 'stdout',
  stderr: 'stderr',
  /** See `ReadLog`. */
  reads: 'reads',
  /** The exit code; absent while the agent runs. */
  exit: 'exit',
} as const;

/** What has been said about a budget in the records: the next process says the same, not more. */
export interface BudgetNotes {
  readonly [kind: string]: { readonly used: number; readonly limit: number; readonly timeMs: number };
}

/** Everything about a run that a process needs to resume it. */
export interface RunFacts {
  readonly key: string;
  /** SHA-256 of the command and the dialect. */
  readonly fingerprint: string;
  /** Last part of `TASK_LOGS_RUN_ID` in the environment of the run's processes. */
  readonly runId: string;
  readonly dialect: string;
  readonly origin: RunOrigin | null;
  readonly startedAtMs: number;
  /** Milliseconds since the epoch; null for no timeout. */
  readonly deadlineMs: number | null;
  /** The system's count of out-of-memory kills at the start; null when unknown. */
  readonly oomKills: number | null;
  /** The control group of its processes; absent where there is none. */
  readonly group?: string;
  /** The folder of an agent that runs as another user, which cannot read this one. */
  readonly place?: AgentPlace;
  /** Set before the run is ended because it did not exit: the next process then knows why it was stopped. */
  readonly lingered?: boolean;
  /** What was recorded about the budget of the task. */
  readonly budgetNotes?: BudgetNotes;
}

/** Descriptors that the child inherits as its standard streams. */
export interface ChildEnds {
  /** Undefined stands for /dev/null. */
  readonly stdin: number | undefined;
  readonly stdout: number;
  readonly stderr: number;
  /** Closes this process's copies. Never throws. */
  close(): void;
}

/**
 * One run on disk: its standard streams as regular files, and the facts that another process needs to resume it. The
 * streams are not pipes, because agent CLIs drop output, also their last line, when the reader of a pipe is slow.
 */
export class RunFolder {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes the task's folder too when it is missing. */
  static async create(taskFolder: string, key: string): Promise<RunFolder> {
    // Owner only: agents print the files that they read, secrets included.
    checkFolders(taskFolder, LEVELS - 1);
    makeDirectorySync(taskFolder, PRIVATE_FOLDER);
    const stem = key.replaceAll(/[^A-Za-z0-9._-]+/g, '_').slice(0, 64);
    return new RunFolder(await mkdtemp(join(taskFolder, `${stem}-`)));
  }

  /** Whether the agent has ended, and its exit code is there. */
  get hasExited(): boolean {
    return (statSync(this.exitFile, { throwIfNoEntry: false })?.size ?? 0) > 0;
  }

  get exitFile(): string {
    return join(this.directory, FILES.exit);
  }

  /** What the agent itself may read and write. */
  get ownPlace(): AgentPlace {
    return { directory: this.directory, uid: null, gid: null };
  }

  readLog(): ReadLog {
    return new ReadLog(join(this.directory, FILES.reads));
  }

  /** Makes the files of the streams. `input` becomes the whole standard input. */
  async openChildEnds(input: string | undefined, account?: Account): Promise<ChildEnds> {
    const opened: number[] = [];
    const openFile = (name: string, access: 'inherited' | 'ax'): number => {
      const fd = openSafeSync(join(this.directory, name), access);
      opened.push(fd);
      // Programs also open /dev/stdout and /dev/stderr, which asks for the rights of the file.
      if (account !== undefined) fchownSync(fd, account.uid, account.gid);
      return fd;
    };
    const close = (): void => {
      for (const fd of opened.splice(0)) {
        try {
          closeSync(fd);
        } catch {
          // EIO, ENOSPC on a network disk: this process has written nothing through the descriptor.
        }
      }
    };
    try {
      const stdout = openFile(FILES.stdout, 'ax');
      const stderr = openFile(FILES.stderr, 'ax');
      if (input === undefined) return { stdin: undefined, stdout, stderr, close };
      await writeNewText(join(this.directory, FILES.stdin), input, PRIVATE_FILE);
      return { stdin: openFile(FILES.stdin, 'inherited'), stdout, stderr, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  openStream(stream: 'stdout' | 'stderr'): number {
    return openSafeSync(join(this.directory, FILES[stream]), 'r');
  }

  writeFacts(facts: RunFacts): void {
    this.#write(FILES.facts, facts);
  }

  /** Undefined when the file is missing or damaged. */
  readFacts(): RunFacts | undefined {
    const value = this.#read(FILES.facts);
    // The cast is safe: the file is replaced atomically by `writeFacts` and writable for this user only.
    return typeof value?.key === 'string' ? (value as unknown as RunFacts) : undefined;
  }

  /** Undefined until the outcome is recorded. */
  readOutcome(): AgentOutcome | undefined {
    const value = this.#read(FILES.outcome);
    // As in `readFacts`.
    return typeof value?.success === 'boolean' ? (value as unknown as AgentOutcome) : undefined;
  }

  /** Replaces the streams of a recorded run by its outcome, which a resumed task needs. */
  async keepOutcome(outcome: AgentOutcome): Promise<void> {
    this.#write(FILES.outcome, outcome);
    await this.removePlace();
    const { stdin, stdout, stderr, reads, exit } = FILES;
    const names = [stdin, stdout, stderr, reads, exit];
    await Promise.all(names.map((name) => rm(join(this.directory, name), { force: true })));
  }

  async remove(): Promise<void> {
    checkFolders(this.directory, LEVELS);
    await this.removePlace();
    await rm(this.directory, { recursive: true, force: true });
  }

  /**
   * Removes what belongs to the agent, after its end. Records that its commands could not send are copied first, to where
   * they outlive the run; their number of files is returned.
   */
  async removePlace(): Promise<number> {
    const place = this.readFacts()?.place ?? this.ownPlace;
    const kept = await keepLeftRecords(logDirOf(place), leftRecordsFolder(this.directory));
    await removePlace(place);
    return kept;
  }

  /** Replaces the file atomically. */
  #write(name: string, value: object): void {
    const path = join(this.directory, name);
    checkFolders(this.directory, LEVELS);
    writeNewSync(`${path}.new`, `${JSON.stringify(value)}\n`);
    renameSync(`${path}.new`, path);
  }

  #read(name: string): JsonObject | undefined {
    try {
      // A power cut can leave an empty file.
      return parseObject(readTextSync(join(this.directory, name)));
    } catch {
      // EACCES: made by another user.
      return undefined;
    }
  }
}
