import { TasktrailError } from '../../errors.ts';
import type { Failure } from '../scope.ts';

/** Most transient failures are gone at the second or third try. */
const ATTEMPTS_MAX = 3;

export interface RetryOptions {
  /** Number of tries, including those of earlier processes. Default 3. */
  readonly maxAttempts?: number;
  /** Pause before each further try in milliseconds. Default 0. */
  readonly delayMs?: number;
  /** False stops the retries. Gets the exception, or undefined after a failure by status. Default: always true. */
  readonly retryIf?: (error: unknown) => boolean;
}

/** One started attempt. */
interface Try<N> {
  readonly attempt: number;
  readonly failure: Failure | undefined;
  run<T>(fn: (node: N) => Promise<T> | T): Promise<T>;
}

export interface Tries<N> {
  /** Named in the error message. */
  readonly what: string;
  /** Consecutive failures in earlier processes, the last error, and whether an attempt is still open. */
  readonly earlier: { readonly count: number; readonly last: string | null; readonly isOpen: boolean };
  newestAttempt(): number;
  start(): N;
  /** Called between a failed try and the next one. */
  onRetry(attempt: number, error: string | null): void;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Starts attempts until one succeeds, and returns its value. Throws the exception of the last attempt unchanged, or
 * `ERR_STEP_FAILED` when there is none: it failed by its status, or in an earlier process.
 */
export async function retry<T, N extends Try<N>>(
  tries: Tries<N>,
  options: RetryOptions,
  fn: (node: N) => Promise<T> | T,
): Promise<T> {
  const { maxAttempts = ATTEMPTS_MAX, delayMs = 0, retryIf = () => true } = options;
  const { count, last, isOpen } = tries.earlier;
  if (count > 0 && !isOpen) {
    if (count >= maxAttempts) throw exhausted(tries.what, count, last);
    tries.onRetry(tries.newestAttempt(), last);
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
    tries.onRetry(node.attempt, error);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

async function outcomeOf<T, N extends Try<N>>(node: N, fn: (node: N) => Promise<T> | T): Promise<Outcome<T>> {
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
