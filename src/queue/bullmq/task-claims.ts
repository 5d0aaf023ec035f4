import { randomUUID } from 'node:crypto';
import type { QueueKeys } from './bullmq-internals.ts';

/** Webhook deliveries are known that long, too. */
const KEPT_SECONDS = 4 * 86_400;

/** Longer than an acknowledgement and a push together take (2 s each). A process that is killed meanwhile keeps it so long. */
const STARTING_MS = 10_000;

/** Tried again that often after a lost connection. */
const SETTLE_MS = 1_000;

/** As in `CLAIM`; `left`: the process that claimed it has not said in time what became of it. */
type State = 'won' | 'taken' | 'busy' | 'left';

/**
 * KEYS: the claim, a key that expires when its process takes too long, and a note of who claimed it first. ARGV: a task id, the
 * two lifetimes, a token of the process, and the note. A claim holds the task id, with a question mark in front until the task
 * is queued.
 */
const CLAIM = `
local held = redis.call('GET', KEYS[1])
if not held then
  redis.call('SET', KEYS[1], '?' .. ARGV[1], 'EX', ARGV[2])
  redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
  redis.call('SET', KEYS[3], ARGV[5], 'EX', ARGV[2])
  return {'won', ARGV[1]}
end
if string.sub(held, 1, 1) ~= '?' then return {'taken', held, redis.call('GET', KEYS[3]) or ''} end
local id = string.sub(held, 2)
if redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3], 'NX') then return {'left', id} end
return {'busy', id}`;

/**
 * ARGV: the task id, what became of it, the lifetime of a started claim, and the token of the process. A process that was too
 * late does not give back what another one has claimed meanwhile.
 */
const SETTLE = `
if redis.call('GET', KEYS[1]) ~= '?' .. ARGV[1] then return 0 end
if ARGV[2] == 'started' then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
else
  local token = redis.call('GET', KEYS[2])
  if token and token ~= ARGV[4] then return 0 end
  if ARGV[2] == 'free' then redis.call('DEL', KEYS[1], KEYS[3]) end
end
redis.call('DEL', KEYS[2])
return 1`;

export interface TaskClaimsParts {
  readonly keys: QueueKeys;
  /** As `RedisLink.ask`, and rejects while the queue closes. */
  ask<T>(question: () => Promise<T>): Promise<T>;
  /** Whether the job waits, runs or has ended. */
  knows(taskId: string): Promise<boolean>;
}

export interface TaskClaim {
  readonly state: 'won' | 'taken' | 'busy';
  readonly taskId: string;
  /** Of a taken one: its process was lost before it said so. */
  readonly isLeft?: boolean;
  /** Of a taken one: what was noted with its first claim. Undefined for one of an earlier version. */
  readonly note?: string;
}

export interface ClaimOutcome {
  readonly taskId: string;
  readonly isStarted: boolean;
  /** Of one that was not started: who claims it next gets the same task id, because there may be records of it. */
  readonly keepsId?: boolean;
}

/** Decides among the processes of one Redis which of them makes the task of a name. */
export class TaskClaims {
  readonly #parts: TaskClaimsParts;
  /** Outcomes that Redis has not received, by name. */
  readonly #unsettled = new Map<string, ClaimOutcome>();
  readonly #token = randomUUID();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: TaskClaimsParts) {
    this.#parts = parts;
  }

  /**
   * `won`: this process makes the task, with this id, which another process may have claimed before it was lost. `taken`:
   * this task was made. `busy`: another process makes it now. `note` is kept with a claim that is new. Rejects with
   * `ERR_QUEUE_UNAVAILABLE`.
   */
  async claim(name: string, taskId: string, note = ''): Promise<TaskClaim> {
    const { keys, ask, knows } = this.#parts;
    const args = [taskId, String(KEPT_SECONDS), String(STARTING_MS), this.#token, note];
    const reply: unknown = await ask(() => keys.client.eval(CLAIM, 3, ...this.#keysOf(name), ...args));
    const [state, id, kept] = readReply(reply);
    if (state !== 'left') return { state, taskId: id, ...(kept !== undefined && { note: kept }) };
    // Its job has one id in all processes: if the lost one's job arrives after all, it is the same job.
    if (!(await knows(id))) return { state: 'won', taskId: id };
    await this.settle(name, { taskId: id, isStarted: true });
    return { state: 'taken', taskId: id, isLeft: true };
  }

  /** As `Queue.knows`. */
  knows(taskId: string): Promise<boolean> {
    return this.#parts.knows(taskId);
  }

  /** Ends a claim that was won. Never rejects: without Redis it is done later. */
  async settle(name: string, outcome: ClaimOutcome): Promise<void> {
    this.#unsettled.set(name, outcome);
    await this.#send(name, outcome);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #send(name: string, outcome: ClaimOutcome): Promise<boolean> {
    const { keys, ask } = this.#parts;
    const args = [outcome.taskId, fateOf(outcome), String(KEPT_SECONDS), this.#token];
    try {
      await ask(() => keys.client.eval(SETTLE, 3, ...this.#keysOf(name), ...args));
      if (this.#unsettled.get(name) === outcome) this.#unsettled.delete(name);
      return true;
    } catch {
      // ERR_QUEUE_UNAVAILABLE.
      if (!this.#isClosed) this.#timer ??= setTimeout(() => void this.#sendAll(), SETTLE_MS).unref();
      return false;
    }
  }

  async #sendAll(): Promise<void> {
    this.#timer = undefined;
    for (const [name, outcome] of this.#unsettled) if (!(await this.#send(name, outcome))) return;
  }

  #keysOf(name: string): [string, string, string] {
    const { toKey } = this.#parts.keys;
    return [toKey(`claim:${name}`), toKey(`claiming:${name}`), toKey(`claim-note:${name}`)];
  }
}

function fateOf({ isStarted, keepsId = false }: ClaimOutcome): string {
  if (isStarted) return 'started';
  return keepsId ? 'open' : 'free';
}

function readReply(reply: unknown): [State, string, string | undefined] {
  const [state, id, note] = Array.isArray(reply) ? reply : [];
  const isState = state === 'won' || state === 'taken' || state === 'left';
  return [isState ? state : 'busy', String(id), typeof note === 'string' && note !== '' ? note : undefined];
}
