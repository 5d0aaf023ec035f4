import type { Books } from '../../books.ts';
import type { Config } from '../../config/config.ts';
import { messageOf } from '../../errors.ts';
import { JobStore } from '../../queue/job-store.ts';
import type { Queue } from '../../queue/queue.ts';
import { directoryId } from '../../store/directory-id.ts';
import type { Trail } from '../../trail/trail.ts';
import type { TaskIntake } from '../task-intake.ts';
import { adoptFormerTasks, closeUnaccepted, type FormerTasksOptions } from './former-tasks.ts';
import { requeueUnfinished } from './requeue.ts';

/** Longest pause in milliseconds between two passes: for what other processes have ended. */
const PASS_MS = 60_000;

/**
 * The pause when the queue takes nothing. Redis may be back soon, and a whole interval would be longer than the silence after
 * which a task whose worker is gone counts as abandoned.
 */
const REFUSED_MS = 10_000;

/** Shortest pause: jobs become due one after the other, and a pass looks at all of them. */
const PASS_MIN_MS = 500;

/**
 * Passes that look for tasks which the last process has not accepted. Their records may be late: another living process may
 * have claimed the journal of that process.
 */
const LOOKS = 3;

/** Pause in milliseconds between two of them, however fast the passes are. */
const LOOK_PAUSE_MS = 30_000;

/** Problems that the notice lists. */
const SHOWN_MAX = 5;

/** Where the jobs of this process are kept. */
export interface KeptJobs {
  readonly jobs: JobStore;
  /** Id of the log directory; undefined in a worker, which may have another directory. */
  readonly home: string | undefined;
}

/**
 * Undefined when nothing is kept: with `TASK_LOGS_ENABLED=false` nothing is written at all, and a process that never holds
 * the log directory does not learn which tasks have ended.
 */
export async function openKeptJobs(
  { enabled, store, logDir }: Config,
  { isWorker }: { readonly isWorker: boolean },
): Promise<KeptJobs | undefined> {
  if (!enabled) return undefined;
  if (isWorker) return { jobs: JobStore.attach(logDir), home: undefined };
  if (!store) return undefined;
  return { jobs: await JobStore.open(logDir), home: await directoryId(logDir) };
}

export interface KeptJobsParts {
  readonly jobs: JobStore;
  readonly home: string;
  readonly trail: Pick<Trail, 'config' | 'books' | 'reader' | 'recovered'>;
  readonly queue: Queue;
  readonly intake: Pick<TaskIntake, 'has' | 'isBusy'>;
  log(line: string): void;
}

/** Queues kept jobs again, and removes those of ended tasks: passes over the folder, one at a time. */
export class Requeueing {
  readonly #parts: KeptJobsParts;
  /** Tasks and failures that the log names already. */
  readonly #logged = new Set<string>();
  readonly #gone = new Map<string, number>();
  /** The next pass. Each pass says when that is. */
  #next: NodeJS.Timeout | undefined;
  #last: Promise<number> = Promise.resolve(0);
  /** Resolves when the tasks of a version without kept jobs are kept, or could not be. */
  readonly adopted: Promise<void>;
  #settleAdopted: () => void = () => {};
  #looks = 0;
  #lookFromMs = 0;
  #isClosed = false;

  constructor(parts: KeptJobsParts) {
    this.#parts = parts;
    this.#passIn(PASS_MS);
    this.adopted = new Promise((resolve) => {
      this.#settleAdopted = resolve;
    });
  }

  /** Returns the number of queued jobs. Never rejects. */
  run(): Promise<number> {
    this.#last = this.#last.then(() => this.#pass());
    return this.#last;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#next);
  }

  async #pass(): Promise<number> {
    const { trail } = this.#parts;
    // What earlier processes have recorded may be the end of a task.
    await trail.recovered;
    if (this.#isClosed) return 0;
    let nextMs = PASS_MS;
    const problems = new Map<string, string>();
    const onProblem = (taskId: string, reason: string): void => void problems.set(taskId, reason);
    await this.#prepare(onProblem);
    try {
      const { jobs, queue, home, intake } = this.#parts;
      const { reader } = trail;
      const isBusy = (taskId: string): boolean => this.#isClosed || intake.isBusy(taskId);
      const isOwn = (taskId: string): boolean => intake.has(taskId);
      return await requeueUnfinished({
        jobs,
        queue,
        home,
        reader,
        isBusy,
        isOwn,
        onProblem,
        gone: this.#gone,
        onEarly: (ms) => {
          nextMs = Math.min(nextMs, ms);
        },
      });
    } catch (error) {
      nextMs = Math.min(nextMs, REFUSED_MS);
      this.#logOnce('', `unfinished tasks could not be queued again: ${messageOf(error)}`);
      return 0;
    } finally {
      this.#report(problems, trail.books);
      this.#passIn(nextMs);
    }
  }

  #passIn(ms: number): void {
    clearTimeout(this.#next);
    if (!this.#isClosed)
      this.#next = setTimeout(() => void this.run(), Math.max(PASS_MIN_MS, Math.ceil(ms))).unref();
  }

  /** With what the last process has left. */
  async #prepare(onProblem: FormerTasksOptions['onProblem']): Promise<void> {
    if (this.#looks >= LOOKS || performance.now() < this.#lookFromMs) return;
    const { jobs, home, queue, intake, trail } = this.#parts;
    const { reader, config } = trail;
    const isOwn = (taskId: string): boolean => intake.has(taskId);
    const options = { jobs, queue, reader, home, logDir: config.logDir, isOwn, onProblem };
    try {
      if ((await jobs.readOpening()) === undefined) await adoptFormerTasks(options);
      this.#settleAdopted();
      if (!(await closeUnaccepted(options))) return;
      this.#looks += 1;
      this.#lookFromMs = performance.now() + LOOK_PAUSE_MS;
    } catch (error) {
      // What is kept already is queued all the same. The next pass tries again.
      this.#logOnce('', `tasks of an earlier run could not be read: ${messageOf(error)}`);
    } finally {
      this.#settleAdopted();
    }
  }

  #report(problems: ReadonlyMap<string, string>, books: Books): void {
    for (const [taskId, reason] of problems) {
      this.#logOnce(taskId, `task ${taskId} cannot be queued again: ${reason}`);
    }
    const failures = this.#parts.jobs.failures.map(
      ({ name, reason }) => `${name} cannot be written: ${reason}`,
    );
    const all = [...problems.values(), ...failures];
    const more = all.length > SHOWN_MAX ? ` and ${all.length - SHOWN_MAX} more` : '';
    const text = `these are set aside and not run, tasktrail doctor says what to do: ${all.slice(0, SHOWN_MAX).join(', ')}${more}`;
    books.setNotice('queued tasks', all.length === 0 ? undefined : text);
  }

  /** A pass a minute finds the same problems again. */
  #logOnce(taskId: string, line: string): void {
    const key = taskId === '' ? line : taskId;
    if (this.#logged.has(key)) return;
    this.#logged.add(key);
    this.#parts.log(line);
  }
}
