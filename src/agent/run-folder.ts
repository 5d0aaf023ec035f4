import { closeSync, constants, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentOutcome, RunOrigin } from '../model/agent-output.ts';
import { isJsonObject } from '../model/json.ts';
import { ReadLog } from './read-log.ts';

/** Agents print what they read, secrets included: nobody but the owner may look. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Appending, so that the writes of several processes never overlay each other; exclusive, so that no link is followed. */
const WRITE_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL;

/** What a run's folder holds. */
const FILES = {
  facts: 'run.json',
  outcome: 'outcome.json',
  /** What the task was asked, for the agent. */
  input: 'input.json',
  stdin: 'stdin',
  stdout: 'stdout',
  stderr: 'stderr',
  /** Which bytes were read when. */
  reads: 'reads',
  /** The exit code, once there is one. */
  exit: 'exit',
} as const;

/** What a process must know of a run that another one began. */
export interface RunFacts {
  readonly key: string;
  /** SHA-256 of what was run: another command is another run. */
  readonly fingerprint: string;
  /** Of `TASK_LOGS_RUN_ID`, by which its processes are known. */
  readonly runId: string;
  readonly dialect: string;
  readonly origin: RunOrigin | null;
  readonly startedAtMs: number;
  /** When its time is up; null: never. */
  readonly deadlineMs: number | null;
  /** The system's count of processes killed for want of memory, at the start. */
  readonly oomKills: number | null;
}

/** The child's own ends of its streams. */
export interface ChildEnds {
  /** Undefined means /dev/null. */
  readonly stdin: number | undefined;
  readonly stdout: number;
  readonly stderr: number;
  close(): void;
}

/**
 * One run on disk: its standard streams as regular files, and what a later process needs to go on with it. Not pipes:
 * agent CLIs drop output, their last line included, when the reader of a pipe lags behind.
 */
export class RunFolder {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Below the task's folder, which is made when it is not there. */
  static async create(taskFolder: string, key: string): Promise<RunFolder> {
    await mkdir(taskFolder, { recursive: true, mode: DIRECTORY_MODE });
    const stem = key.replaceAll(/[^A-Za-z0-9._-]+/g, '_').slice(0, 64);
    return new RunFolder(await mkdtemp(join(taskFolder, `${stem}-`)));
  }

  get exitFile(): string {
    return join(this.directory, FILES.exit);
  }

  get inputFile(): string {
    return join(this.directory, FILES.input);
  }

  async writeInput(document: string): Promise<void> {
    await writeFile(this.inputFile, document, { mode: FILE_MODE });
  }

  readLog(): ReadLog {
    return new ReadLog(join(this.directory, FILES.reads));
  }

  /** Makes the streams; a given input is all of standard input. */
  async openChildEnds(input: string | undefined): Promise<ChildEnds> {
    const opened: number[] = [];
    const openFile = (name: string, flags: number): number => {
      const fd = openSync(join(this.directory, name), flags, FILE_MODE);
      opened.push(fd);
      return fd;
    };
    const close = (): void => {
      for (const fd of opened.splice(0)) closeSync(fd);
    };
    try {
      const stdout = openFile(FILES.stdout, WRITE_FLAGS);
      const stderr = openFile(FILES.stderr, WRITE_FLAGS);
      if (input === undefined) return { stdin: undefined, stdout, stderr, close };
      await writeFile(join(this.directory, FILES.stdin), input, { mode: FILE_MODE, flag: 'wx' });
      return { stdin: openFile(FILES.stdin, constants.O_RDONLY), stdout, stderr, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  openStream(stream: 'stdout' | 'stderr'): number {
    return openSync(join(this.directory, FILES[stream]), constants.O_RDONLY);
  }

  writeFacts(facts: RunFacts): void {
    this.#write(FILES.facts, facts);
  }

  /** Undefined when there are none, or they are damaged. */
  readFacts(): RunFacts | undefined {
    const value = this.#read(FILES.facts);
    // Written by us, whole or not at all, and private to this user: its shape is what was written.
    return isJsonObject(value) && typeof value.key === 'string' ? (value as unknown as RunFacts) : undefined;
  }

  readOutcome(): AgentOutcome | undefined {
    const value = this.#read(FILES.outcome);
    return isJsonObject(value) && typeof value.success === 'boolean'
      ? (value as unknown as AgentOutcome)
      : undefined;
  }

  /** The run is over and recorded: keeps how it ended until its task has ended, and nothing of what was said. */
  async keepOutcome(outcome: AgentOutcome): Promise<void> {
    this.#write(FILES.outcome, outcome);
    const { input, stdin, stdout, stderr, reads, exit } = FILES;
    const names = [input, stdin, stdout, stderr, reads, exit];
    await Promise.all(names.map((name) => rm(join(this.directory, name), { force: true })));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Whole or not at all. */
  #write(name: string, value: object): void {
    const path = join(this.directory, name);
    writeFileSync(`${path}.new`, `${JSON.stringify(value)}\n`, { mode: FILE_MODE });
    renameSync(`${path}.new`, path);
  }

  #read(name: string): unknown {
    try {
      return JSON.parse(readFileSync(join(this.directory, name), 'utf8'));
    } catch {
      // ENOENT, or a SyntaxError after a power cut: it says nothing either way.
      return undefined;
    }
  }
}
