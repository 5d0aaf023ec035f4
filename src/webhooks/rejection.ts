import type { ErrorCode } from '../errors.ts';
import { ProblemError, type ProblemErrorOptions } from '../serve/problem.ts';

/** Why a signature is refused: a word for the record, and advice for the sender. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/** A refused delivery. `reason` is the word under which it is recorded and counted. */
export class RejectedDelivery extends ProblemError {
  readonly reason: string;

  constructor(code: ErrorCode, { reason, message }: Refusal, options: ProblemErrorOptions = {}) {
    super(code, message, options);
    this.reason = reason;
  }
}

/** A body with a valid signature that the vendor does not send. */
export function malformed(reason: string, message: string): RejectedDelivery {
  return new RejectedDelivery('ERR_INPUT_INVALID', { reason, message });
}
