import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { TasktrailError } from '../../errors.ts';

/**
 * `won`: this process starts the command, with the task id of the answer. `taken`: that task was started before. `busy`:
 * another process is starting it.
 */
export interface Claim {
  readonly state: 'won' | 'taken' | 'busy';
  readonly taskId: string;
  /** Of a taken one: the delivery that was taken before. Undefined where it is not known. */
  readonly first?: FirstDelivery | undefined;
  /** Of a taken one: the process that started it was lost before it said so, and so before it answered. */
  readonly isLeft?: boolean;
}

export interface FirstDelivery {
  readonly deliveryId: string | undefined;
  readonly atMs: number;
}

export interface Candidate {
  readonly taskId: string;
  /** Whether an earlier process has recorded this task, and may have queued it. */
  readonly isOld: boolean;
  /** The delivery that asks for it, which is remembered when it is the first one. */
  readonly first?: FirstDelivery | undefined;
}

/** Decides among several processes which of them starts a command. */
export interface SharedClaims {
  /** Atomic. Rejects with `ERR_QUEUE_UNAVAILABLE` when the processes cannot be asked. */
  claim(name: string, candidate: Candidate): Promise<Claim>;
  /** Ends a claim that was won: the task is queued, or the command may be claimed again. Never rejects. */
  settle(name: string, outcome: { readonly taskId: string; readonly isStarted: boolean }): Promise<void>;
}

/**
 * How long a delivery waits for another process that starts the same command. Slack expects an answer within 3 s, other
 * senders within 10 s. After a 503 the sender may try again.
 */
const WAIT_MS = 5_000;
const WAIT_SLACK_MS = 1_500;
const POLL_MS = 100;

export interface ClaimOrder {
  readonly provider: string;
  /** The subject or the delivery id. */
  readonly id: string;
  readonly commands: readonly string[];
  /** The task of a command, if it is won. */
  taskOf(command: string): Candidate;
}

/** The claims of all commands of a delivery, by command. */
export interface Claimed {
  /** Commands to start, with their task ids. */
  readonly won: ReadonlyMap<string, string>;
  /** Commands of earlier tasks, with their ids. */
  readonly taken: ReadonlyMap<string, string>;
  /** Those of `taken` that a lost process has started. */
  readonly left: ReadonlyMap<string, string>;
  /** The delivery that one of `taken` is of. */
  readonly first?: FirstDelivery | undefined;
  /** Why the other commands could not be claimed: they must not start. */
  readonly refusal?: unknown;
}

/** Claims the commands. Rejects with `ERR_QUEUE_UNAVAILABLE` while another process starts one of them. */
export async function claimAll(claims: SharedClaims, order: ClaimOrder): Promise<Claimed> {
  const won = new Map<string, string>();
  const taken = new Map<string, string>();
  const left = new Map<string, string>();
  let first: FirstDelivery | undefined;
  const until = performance.now() + (order.provider === 'slack' ? WAIT_SLACK_MS : WAIT_MS);
  // In one order for all processes: two of them with some equal commands would wait for each other.
  for (const command of [...order.commands].sort()) {
    const wanted = { name: nameOf(order, command), candidate: order.taskOf(command), until };
    const claim = await claimOne(claims, wanted);
    if ('refusal' in claim) return { won, taken, left, first, refusal: claim.refusal };
    if (claim.state === 'busy') {
      await settleAll(claims, order, { won, started: new Map() });
      throw stillStarting();
    }
    (claim.state === 'won' ? won : taken).set(command, claim.taskId);
    if (claim.isLeft === true) left.set(command, claim.taskId);
    if (claim.state === 'taken') first ??= claim.first;
  }
  return { won, taken, left, first };
}

/** Ends the claims that were won. */
export async function settleAll(
  claims: SharedClaims,
  order: Pick<ClaimOrder, 'provider' | 'id'>,
  { won, started }: Pick<Claimed, 'won'> & { readonly started: ReadonlyMap<string, string> },
): Promise<void> {
  const settled = [...won].map(([command, taskId]) =>
    claims.settle(nameOf(order, command), { taskId, isStarted: started.get(command) === taskId }),
  );
  await Promise.all(settled);
}

async function claimOne(
  claims: SharedClaims,
  {
    name,
    candidate,
    until,
  }: { readonly name: string; readonly candidate: Candidate; readonly until: number },
): Promise<Claim | { readonly refusal: unknown }> {
  try {
    for (;;) {
      const claim = await claims.claim(name, candidate);
      if (claim.state !== 'busy' || performance.now() >= until) return claim;
      await delay(POLL_MS);
    }
  } catch (refusal) {
    return { refusal };
  }
}

/** Of fixed length: ids and commands may be long. */
function nameOf({ provider, id }: Pick<ClaimOrder, 'provider' | 'id'>, command: string): string {
  return createHash('sha256')
    .update(JSON.stringify([provider, id, command]))
    .digest('hex');
}

function stillStarting(): TasktrailError {
  return new TasktrailError(
    'ERR_QUEUE_UNAVAILABLE',
    'another process is starting the task of this delivery; send it again',
    { retryable: true },
  );
}
