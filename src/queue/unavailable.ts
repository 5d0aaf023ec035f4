import { TasktrailError } from '../errors.ts';

export function queueUnavailable(reason: string, cause?: unknown): TasktrailError {
  return new TasktrailError('ERR_QUEUE_UNAVAILABLE', reason, { retryable: true, cause });
}
