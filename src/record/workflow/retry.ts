import { TasktrailError } from '../../errors.ts';
import type { Failure } from '../scope.ts';

/** What works more often than not at the second or third try. */
const ATTEMPTS_MAX = 3;

export interface RetryOptions {
  /** Tries in all, those of earlier processes included. Default 3. */
  readonly maxAttempts?: number;
  /** Pause before each further try. Default 0. */
  readonly delayMs?: number;
  /** False: this failure is the last word. It gets what was thrown, or undefined for a status. Default: always true. */
  readonly retryIf?: (error: unknown) => boolean;
}

/** A start of something that may be started again. */
interface Try<L> {
  readonly attempt: number;
  readonly failure: Failure | undefined;
  run<T>(fn: (node: L) => Promise<T> | T): Promise<T>;
}

export interface Tries<L> {
  readonly what: string;
  /** How far earlier processes came. */
  readonly before: { readonly count: number; readonly last: string | null; readonly isOpen: boolean };
  /** The number of the newest start. */
  attempt(): number;
  start(): L;
  /** Between a try that failed and the next one. */
  again(attempt: number, error: string | null): void;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Starts something until it goes well, and gives what that try gives. What the last try throws comes back unchanged; where
 * there is nothing to throw (it failed by its status, or in an earlier process), it is `ERR_STEP_FAILED`.
 */
export async function retry<T, L extends Try<L>>(
  tries: Tries<L>,
  options: RetryOptions,
  fn: (node: L) => Promise<T> | T,
): Promise<T> {
  const { maxAttempts = ATTEMPTS_MAX, delayMs = 0, retryIf = () => true } = options;
  const { count, last, isOpen } = tries.before;
  if (count > 0 && !isOpen) {
    if (count >= maxAttempts) throw exhausted(tries.what, count, last);
    tries.again(tries.attempt(), last);
  }
  for (let number = count + 1; ; number += 1) {
    const node = tries.start();
    const outcome = await outcomeOf(node, fn);
    const { failure } = node;
    if (failure === undefined) return resultOf(outcome);
    const error = failure.message ?? null;
    if (!(number < maxAttempts) || !retryIf('error' in outcome ? outcome.error : undefined)) {
      if ('value' in outcome) throw exhausted(tries.what, number, error);
      throw outcome.error;
    }
    tries.again(node.attempt, error);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

async function outcomeOf<T, L extends Try<L>>(node: L, fn: (node: L) => Promise<T> | T): Promise<Outcome<T>> {
  try {
    return { value: await node.run(fn) };
  } catch (error) {
    return { error };
  }
}

function resultOf<T>(outcome: Outcome<T>): T {
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

function exhausted(what: string, count: number, last: string | null): TasktrailError {
  const times = count === 1 ? 'once' : `${count} times`;
  return new TasktrailError('ERR_STEP_FAILED', `${what} failed ${times}${last === null ? '' : `: ${last}`}`);
}
