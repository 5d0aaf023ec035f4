import { type ErrorCode, TasktrailError, type TasktrailErrorOptions } from '../errors.ts';

/** Why a signature does not count: a word for the record, and what to do about it. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/** A delivery that is refused, with the one word by which such deliveries are recorded and counted. */
export class RejectedDelivery extends TasktrailError {
  readonly reason: string;

  constructor(code: ErrorCode, { reason, message }: Refusal, options: TasktrailErrorOptions = {}) {
    super(code, message, options);
    this.reason = reason;
  }
}

/** A body that is signed well and is not what the vendor sends. */
export function malformed(reason: string, message: string): RejectedDelivery {
  return new RejectedDelivery('ERR_INPUT_INVALID', { reason, message });
}
