import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ulid } from 'ulid';
import { errnoOf, messageOf, TasktrailError } from '../../errors.ts';
import { journalDir } from '../../journal/lone-record.ts';
import { WORKFLOW_STATE } from '../../journal/segment-name.ts';
import { checkWorkflowId, isWorkflowId } from '../../model/ids.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import { makeDirectorySync, makeNamedDirectorySync } from '../../system/files/make-directory.ts';
import { PRIVATE_FOLDER } from '../../system/files/modes.ts';
import { writeNewSync } from '../../system/files/new-file.ts';
import { checkFolders } from '../../system/files/real-folders.ts';
import { readTextSync } from '../../system/files/safe-open.ts';
import { syncDirectorySync } from '../../system/files/sync-directory.ts';
import { type LockOwner, type LockRules, releaseLock, takeLock } from '../../system/lock.ts';
import { ownIdentity, type ProcessIdentity } from '../../system/process-identity.ts';

/** A command holds the lock for a few writes of small files; a longer wait means that something is wrong. */
const LOCK_WAIT_MS = 10_000;
const LOCK_POLL_MS = 10;

/** A minute is the age of a lock whose process is on another host or in another container, where it cannot be checked. */
const LOCK_RULES: LockRules = { staleMs: 60_000, isTouched: false };

export interface OpenPhase {
  readonly name: string;
  readonly attempt: number;
  readonly started_at_ms: number;
  readonly steps_completed: number;
  readonly artifacts_created: number;
  /** Steps that failed and were not started again since. */
  readonly failed: readonly string[];
  /** Steps that ended in this attempt. Files of earlier versions lack it. */
  readonly ended?: readonly string[];
}

export interface OpenStep {
  readonly name: string;
  readonly skill: string | null;
  readonly attempt: number;
  readonly started_at_ms: number;
  readonly artifacts: readonly JsonObject[];
  /** The process that runs the step's command and ends the step; null for a step that the script ends. */
  readonly owner: ProcessIdentity | null;
}

/** Number of starts of a phase (step null) or a step. */
export interface StartCount {
  readonly phase: string;
  readonly step: string | null;
  readonly count: number;
}

/** The state of a workflow between two commands. */
export interface CurrentWorkflow {
  readonly version: 1;
  readonly workflow_id: string;
  readonly name: string | null;
  readonly task_id: string | null;
  readonly trace_id: string;
  readonly work_item_id: string | null;
  readonly project: string;
  readonly environment: string;
  readonly attempt: number;
  readonly started_at_ms: number;
  /** `running`, else the status of its completion. */
  readonly status: string;
  readonly phase: OpenPhase | null;
  readonly steps: readonly OpenStep[];
  /** Phases that failed and were not started again since. */
  readonly failed: readonly string[];
  readonly starts: readonly StartCount[];
  /** In the order of their events, without metadata. */
  readonly artifacts: readonly JsonObject[];
  /** For each of `artifacts`: a hash of its node, attempt and payload. Equal keys are one artifact. */
  readonly artifact_keys: readonly string[];
  /** For each of `artifacts`: the index in `steps` of the open step that it belongs to. Files of earlier versions lack it. */
  readonly artifact_steps?: readonly (number | null)[];
}

/**
 * The directory `_journal/current/`: one state file per workflow (`<id>.json`), and one file per project that names its
 * current workflow (`<hash of its directory>.project`). All are readable by the owner only and replaced atomically.
 */
export class CurrentWorkflows {
  readonly #logDir: string;
  readonly #directory: string;

  constructor(logDir: string) {
    this.#logDir = logDir;
    this.#directory = join(journalDir(logDir), WORKFLOW_STATE);
  }

  /** Undefined when there is no state file; throws `ERR_INPUT_INVALID` when it is damaged. */
  read(workflowId: string): CurrentWorkflow | undefined {
    const path = join(this.#directory, `${checkWorkflowId(workflowId)}.json`);
    const text = readText(path);
    if (text === undefined) return undefined;
    const value = parseObject(text);
    // Only `write` writes the file, and atomically: a file of this version has all fields.
    if (value?.version === 1 && value.workflow_id === workflowId) return value as unknown as CurrentWorkflow;
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      `${path} is damaged: remove it and start the workflow again`,
    );
  }

  write(state: CurrentWorkflow): void {
    this.#replace(`${state.workflow_id}.json`, state);
  }

  /** The current workflow of a project, by the project's directory. */
  workflowOf(project: string): string | undefined {
    const value = parseObject(readText(join(this.#directory, pointerName(project))));
    return isWorkflowId(value?.workflow_id) ? value.workflow_id : undefined;
  }

  setCurrent(project: string, workflowId: string): void {
    this.#replace(pointerName(project), { project, workflow_id: workflowId });
  }

  /** Removes files that were last written before this time. */
  sweep(beforeMs: number): void {
    for (const name of namesIn(this.#directory)) {
      const path = join(this.#directory, name);
      if (modifiedMs(path) < beforeMs) rmSync(path, { force: true });
    }
  }

  /** Runs `fn` while no other process does so for this workflow. */
  async locked<T>(workflowId: string, fn: () => T): Promise<T> {
    const path = join(this.#directory, `${checkWorkflowId(workflowId)}.lock`);
    const owner = { ...ownIdentity(), token: ulid() };
    await this.#take(path, owner);
    try {
      return fn();
    } finally {
      await releaseLock(path, owner);
    }
  }

  async #take(path: string, owner: LockOwner): Promise<void> {
    const until = performance.now() + LOCK_WAIT_MS;
    this.#makeDirectory();
    while (!(await takeLock(path, owner, LOCK_RULES).catch(rethrowUnusable)).isTaken) {
      if (performance.now() > until) {
        throw new TasktrailError(
          'ERR_DIRECTORY_UNUSABLE',
          `another command holds the lock ${path}: remove the file if no command is running`,
        );
      }
      await delay(LOCK_POLL_MS);
    }
  }

  #replace(name: string, value: object): void {
    const written = this.#writeNew(`${ulid()}.new`, value);
    try {
      renameSync(written, join(this.#directory, name));
      syncDirectorySync(this.#directory);
    } catch (error) {
      rmSync(written, { force: true });
      throw unusable(error);
    }
  }

  #writeNew(name: string, value: object): string {
    const path = join(this.#directory, name);
    try {
      this.#makeDirectory();
      writeNewSync(path, `${JSON.stringify(value)}\n`, { isSynced: true });
      return path;
    } catch (error) {
      throw unusable(error);
    }
  }

  #makeDirectory(): void {
    try {
      makeNamedDirectorySync(this.#logDir);
      checkFolders(this.#directory, 2);
      makeDirectorySync(this.#directory, PRIVATE_FOLDER);
    } catch (error) {
      throw unusable(error);
    }
  }
}

function pointerName(project: string): string {
  return `${sha256(project).slice(0, 32)}.project`;
}

function rethrowUnusable(error: unknown): never {
  throw unusable(error);
}

function readText(path: string): string | undefined {
  try {
    return readTextSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw unusable(error);
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw unusable(error);
  }
}

/** The current time for a file that was removed meanwhile: it is not stale. */
function modifiedMs(path: string): number {
  try {
    return lstatSync(path).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return Date.now();
    throw unusable(error);
  }
}

function unusable(error: unknown): TasktrailError {
  return new TasktrailError('ERR_DIRECTORY_UNUSABLE', `TASK_LOGS_DIR: ${messageOf(error)}`, { cause: error });
}
