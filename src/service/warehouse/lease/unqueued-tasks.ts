import { messageOf, TasktrailError } from '../../../errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { Queue } from '../../../queue/queue.ts';
import { closeTask } from '../../../record/task/absent-task.ts';
import type { LeaseRecords } from './lease-records.ts';
import type { Term } from './redis-lease.ts';
import type { LeftTask, StartingTasks } from './starting-tasks.ts';

const LOOK_MS = 5_000;

/** Pause before another look for a row that is not there, or cannot be read. */
const AGAIN_MS = 60_000;

/** What the end says. A task that no answer has promised is not started later: its sender may have sent it again. */
const REASON = 'not queued: the service that took it ended before, or refused it; send it again';

export interface UnqueuedTasksParts {
  readonly term: Term;
  readonly starting: StartingTasks;
  readonly records: LeaseRecords;
  /** Undefined: it is not open yet. */
  queue(): Pick<Queue, 'knows'> | undefined;
  /** What is stored of a task by now. */
  readMetadata(taskId: string): Promise<JsonObject | undefined>;
  /** Why tasks cannot be looked at; undefined: they can. */
  onTrouble(reason: string | undefined): void;
  log(line: string): void;
}

/** Ends tasks that a service has stored and not queued, for as long as this one holds the lease. */
export class UnqueuedTasks {
  readonly #parts: UnqueuedTasksParts;
  readonly #timer: NodeJS.Timeout;
  /** When to look again at tasks that are left. By `performance.now()`. */
  #againMs: ReadonlyMap<string, number> = new Map();
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: UnqueuedTasksParts, lookMs: number = LOOK_MS) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.look(), lookMs).unref();
  }

  /** Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #lookAll(): Promise<void> {
    const { starting, onTrouble } = this.#parts;
    if (!this.#goesOn() || this.#parts.queue() === undefined) return;
    let trouble: string | undefined;
    try {
      const left = await starting.left();
      const againMs = new Map<string, number>();
      for (const task of left) {
        if (!this.#goesOn()) return;
        const { taskId } = task;
        const nextMs = this.#againMs.get(taskId);
        if (nextMs !== undefined && performance.now() < nextMs) againMs.set(taskId, nextMs);
        else if (!(await this.#endSafely(task, (reason) => (trouble ??= reason))))
          againMs.set(taskId, performance.now() + AGAIN_MS);
      }
      this.#againMs = againMs;
    } catch (error) {
      trouble = messageOf(error);
    }
    onTrouble(trouble);
  }

  /** As `#end`. One that cannot be read keeps no other one; while Redis or VictoriaLogs is away all wait. */
  async #endSafely(task: LeftTask, onTrouble: (reason: string) => void): Promise<boolean> {
    try {
      return await this.#end(task);
    } catch (error) {
      if (error instanceof TasktrailError && error.retryable) throw error;
      onTrouble(`${task.taskId}: ${messageOf(error)}`);
      return false;
    }
  }

  /** False when it is to be looked at again. */
  async #end(task: LeftTask): Promise<boolean> {
    const { term, starting, records, readMetadata, log } = this.#parts;
    const queue = this.#parts.queue();
    const { taskId } = task;
    const forget = async (isGivenUp = false): Promise<boolean> => {
      await starting.forget(term, task, { isGivenUp });
      return true;
    };
    if (queue === undefined) return false;
    if (await queue.knows(taskId)) return forget();
    const recorded = await readMetadata(taskId);
    // What others say of a task that its service has not stored does not count.
    const metadata = recorded?.opened_by === undefined ? recorded : undefined;
    if (metadata === undefined) {
      // Its service could not store it, or a request that hangs has it.
      return task.isOld && forget();
    }
    if (metadata.status !== 'queued') return forget();
    if (!(await starting.giveUp(term, task))) return false;
    // Queued between the two questions.
    if (await queue.knows(taskId)) return forget();
    await records.record(term, () => closeTask({ taskId, attempt: 1 }, { status: 'failed', error: REASON }));
    await forget(true);
    log(`ended a task that was stored and not queued: ${taskId}`);
    return true;
  }

  #goesOn(): boolean {
    return !this.#isClosed && this.#parts.term.isHeld();
  }
}
