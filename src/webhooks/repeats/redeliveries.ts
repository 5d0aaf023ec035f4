import { LRUCache } from 'lru-cache';
import { STAGES } from '../../model/documents.ts';
import { mintTaskId } from '../../record/mint.ts';
import { type DeliveryLedger, KEPT_MS } from './ledger.ts';
import {
  type Candidate,
  claimAll,
  type FirstDelivery,
  type SharedClaims,
  settleAll,
} from './shared-claims.ts';
import type { Subject } from './subject.ts';

/** Ids of several days of a busy organisation; about ten megabytes. */
const DELIVERIES_MAX = 50_000;

/** The state of one subject, or of a delivery without a subject. */
interface Entry {
  /** The first delivery, which another process may have taken. */
  first: FirstDelivery;
  /** Ids of the queued tasks, by command. Other commands may have failed. */
  readonly done: Map<string, string>;
  running: Running | undefined;
  /** How often it has come with commands that were not queued. */
  tries: number;
  /** An earlier process has started commands of the subject, with another delivery. */
  isRecalled?: boolean;
  /** Tasks of an earlier process that ended before it recorded its answer, by command. */
  readonly left: Map<string, string>;
}

interface Running {
  readonly commands: readonly string[];
  readonly taken: Promise<Taken>;
}

/** A task that an earlier process has started, without recording its answer. */
export interface LeftTask {
  readonly command: string;
  readonly taskId: string;
  /** Recorded by that process. */
  readonly stages: ReadonlySet<string>;
}

export interface Taken {
  /** Whether this delivery, or another one of the same subject, has started the tasks before. Undefined for a new task. */
  readonly repeats: 'delivery' | 'subject' | undefined;
  /** The tasks of the delivery's commands, also those that were started before. */
  readonly taskIds: readonly string[];
  /** Those of `taskIds` whose delivery has no record: this one is it. */
  readonly left?: readonly LeftTask[];
  /** The delivery that was taken before, where this process has taken it. */
  readonly first?: FirstDelivery;
  /**
   * Tells the other processes that the tasks are started. To be called once the delivery is recorded: when this process is lost
   * before, the delivery is sent again, and another process records it. Never rejects.
   */
  readonly settle?: () => Promise<void>;
}

export interface DeliveryKey {
  readonly provider: string;
  readonly deliveryId: string | undefined;
  /** Its deliveries have different ids. */
  readonly subject: Subject | undefined;
  readonly commands: readonly string[];
  /** Default: this moment. */
  readonly nowMs?: number;
  /** Told how often the delivery has come before its commands were queued, this time included. */
  onTry?(tries: number): void;
}

/** What was found out about tasks before they are started. */
export interface FoundTasks {
  /** Why none of them can start: the delivery is recorded as refused. */
  readonly refusal?: unknown;
  /** By task id: the stages that a process has recorded which could not queue the task, or was lost before. */
  readonly recorded?: ReadonlyMap<string, ReadonlySet<string>> | undefined;
}

/**
 * Starts commands with these task ids, and adds each started one to `done`. Rejects when one could not be started. With a
 * `refusal` it records that they cannot be started, and rejects with it.
 */
export type StartTasks = (
  wanted: ReadonlyMap<string, string>,
  done: Map<string, string>,
  found?: FoundTasks,
) => Promise<void>;

export interface RedeliveriesOptions {
  /** Knows the deliveries of earlier processes. */
  readonly ledger: DeliveryLedger | undefined;
  /** Shared with other processes that receive webhooks at the same time. */
  readonly claims: SharedClaims | undefined;
}

interface Recalled {
  /** All tasks of this delivery, when an earlier process has answered it. */
  readonly repeated?: readonly string[];
  /** Recorded tasks that were perhaps not queued, by command. */
  readonly unanswered: ReadonlyMap<string, string>;
}

interface StartOrder {
  readonly commands: readonly string[];
  readonly unanswered: ReadonlyMap<string, string>;
  readonly entry: Entry;
  readonly start: StartTasks;
}

/** Makes sure that each command of a comment, message or issue starts once, however often and in whatever form it is sent. */
export class Redeliveries {
  readonly #options: RedeliveriesOptions;
  readonly #entries = new LRUCache<string, Entry>({ max: DELIVERIES_MAX, ttl: KEPT_MS });

  constructor(options: RedeliveriesOptions) {
    this.#options = options;
  }

  /**
   * Runs `start` with the commands that are new, or returns the tasks of an earlier run. A repetition of a delivery in
   * progress waits for it, and fails with it: an earlier answer would promise a task that is not queued yet. A delivery
   * without an id and a subject is always new.
   */
  take(key: DeliveryKey, start: StartTasks): Promise<Taken> {
    // No await between lookup and insertion: of two equal deliveries at the same time, one starts the tasks.
    const entry = this.#entryOf(key);
    const { running } = entry;
    if (running !== undefined && key.commands.every((command) => running.commands.includes(command))) {
      countTry(entry, key);
      return running.taken.then(({ taskIds }) => repeatOf(entry, key, taskIds));
    }
    // An edit may have a command that the run in progress has not.
    const taken =
      running === undefined
        ? this.#run(entry, key, start)
        : Promise.allSettled([running.taken]).then(() => this.#run(entry, key, start));
    const own = { commands: key.commands, taken };
    entry.running = own;
    const finish = (): void => {
      if (entry.running === own) entry.running = undefined;
    };
    taken.then(finish, finish);
    return taken;
  }

  /** A delivery that is sent again has the same id, and its subject may have had deliveries with other ids. */
  #entryOf(key: DeliveryKey): Entry {
    const names = namesOf(key);
    const known = names.map((name) => this.#entries.get(name)).find((entry) => entry !== undefined);
    const entry = known ?? {
      first: { deliveryId: key.deliveryId, atMs: key.nowMs ?? Date.now() },
      done: new Map(),
      running: undefined,
      tries: 0,
      left: new Map(),
    };
    for (const name of names) if (!this.#entries.has(name)) this.#entries.set(name, entry);
    return entry;
  }

  async #run(entry: Entry, key: DeliveryKey, start: StartTasks): Promise<Taken> {
    const { done } = entry;
    const isNew = (command: string): boolean => !done.has(command);
    if (!key.commands.some(isNew)) return repeatOf(entry, key);
    countTry(entry, key);
    const { repeated, unanswered } = await this.#recall(key, entry);
    if (repeated !== undefined) return { repeats: 'delivery', taskIds: repeated };
    const commands = key.commands.filter(isNew);
    const order = { commands, unanswered, entry, start };
    const started = commands.length > 0 ? await this.#start(key, order) : undefined;
    const left = await this.#takeLeft(key, entry);
    if (started === undefined && left.length === 0) return repeatOf(entry, key);
    return { repeats: undefined, taskIds: tasksOf(entry, key), left, ...started };
  }

  /** Once: the next delivery is a repetition of this one. */
  async #takeLeft({ commands }: DeliveryKey, { done, left }: Entry): Promise<readonly LeftTask[]> {
    const own = commands.flatMap((command) => {
      const taskId = left.get(command);
      left.delete(command);
      return taskId !== undefined && done.get(command) === taskId ? [{ command, taskId }] : [];
    });
    return Promise.all(
      own.map(async (task) => {
        const stages = await this.#options.ledger?.readStages?.(task.taskId);
        return { ...task, stages: stages ?? new Set(STAGES) };
      }),
    );
  }

  /** Adds the started tasks of earlier processes to `done`. */
  async #recall({ provider, deliveryId, subject, commands }: DeliveryKey, entry: Entry): Promise<Recalled> {
    const { ledger, claims } = this.#options;
    const { done } = entry;
    // Without other processes they are queued: the start of this process does that.
    const unanswered = claims === undefined ? done : new Map<string, string>();
    if (ledger === undefined) return { unanswered };
    const known = deliveryId === undefined ? undefined : await ledger.find(provider, deliveryId);
    if (known?.isAnswered === true) return { unanswered, repeated: [...known.tasks.values()] };
    for (const [command, taskId] of known?.tasks ?? []) {
      unanswered.set(command, taskId);
      entry.left.set(command, taskId);
    }
    for (const command of commands) {
      if (done.has(command)) continue;
      const task =
        subject &&
        (await ledger.findTask?.(provider, subject.macsOf(command), { subject: subject.name, command }));
      if (task === undefined) continue;
      (task.isAnswered ? done : unanswered).set(command, task.taskId);
      if (task.isAnswered) entry.isRecalled = true;
      else entry.left.set(command, task.taskId);
    }
    return { unanswered };
  }

  /** Undefined when other processes have started all of them. */
  async #start(
    { provider, deliveryId, subject }: DeliveryKey,
    { commands, unanswered, entry, start }: StartOrder,
  ): Promise<Pick<Taken, 'settle'> | undefined> {
    const { claims } = this.#options;
    const { done } = entry;
    const id = subject?.name ?? deliveryId;
    if (claims === undefined || id === undefined) {
      await start(new Map(commands.map((command) => [command, mintTaskId()])), done);
      return {};
    }
    const minted = new Set<string>();
    const taskOf = (command: string): Candidate => {
      const taskId = unanswered.get(command);
      if (taskId !== undefined) return { taskId, isOld: true, first: entry.first };
      const own = mintTaskId();
      minted.add(own);
      return { taskId: own, isOld: false, first: entry.first };
    };
    const order = { provider, id, commands, taskOf };
    const { won, taken, left, first, refusal } = await claimAll(claims, order);
    if (first !== undefined && done.size === 0) entry.first = first;
    for (const [command, taskId] of taken) done.set(command, taskId);
    for (const [command, taskId] of left) entry.left.set(command, taskId);
    const open = commands.filter((command) => !taken.has(command));
    if (open.length === 0) return undefined;
    const settle = (): Promise<void> => settleAll(claims, order, { won, started: done });
    try {
      const wanted = open.map((command) => [command, won.get(command) ?? mintTaskId()] as const);
      const recorded = await this.#recordedOf([...won.values()].filter((taskId) => !minted.has(taskId)));
      await start(new Map(wanted), done, { refusal, recorded });
    } catch (error) {
      await settle();
      throw error;
    }
    return { settle };
  }

  /** Stages of tasks that were perhaps not queued, by task id. */
  async #recordedOf(taskIds: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const { ledger } = this.#options;
    const none: ReadonlySet<string> = new Set();
    const stages = taskIds.map(
      async (taskId) => [taskId, (await ledger?.readStages?.(taskId)) ?? none] as const,
    );
    return new Map(await Promise.all(stages));
  }
}

function countTry(entry: Entry, key: DeliveryKey): void {
  entry.tries += 1;
  key.onTry?.(entry.tries);
}

function namesOf({ provider, deliveryId, subject }: DeliveryKey): string[] {
  const names = deliveryId === undefined ? [] : [`${provider}\nid\n${deliveryId}`];
  return subject === undefined ? names : [...names, `${provider}\nsubject\n${subject.name}`];
}

/** `all`: tasks of an answered delivery, whose commands are not known. */
function repeatOf(entry: Entry, key: DeliveryKey, all: readonly string[] = []): Taken {
  const own = tasksOf(entry, key);
  const taskIds = own.length > 0 ? own : all;
  const isFirst = entry.first.deliveryId === key.deliveryId && entry.isRecalled !== true;
  const isSame = key.subject === undefined || isFirst;
  const first = entry.isRecalled === true ? {} : { first: entry.first };
  return { repeats: isSame ? 'delivery' : 'subject', taskIds, ...first };
}

function tasksOf({ done }: Entry, { commands }: DeliveryKey): readonly string[] {
  return commands.map((command) => done.get(command)).filter((taskId) => taskId !== undefined);
}
