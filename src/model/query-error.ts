import { TasktrailError } from '../errors.ts';

/** A search text that cannot be read. `position` is the character at which the mistake begins, counted from 1. */
export class QueryError extends TasktrailError {
  readonly position: number;

  constructor(position: number, problem: string) {
    super('ERR_INPUT_INVALID', `q: character ${position}: ${problem}`);
    this.position = position;
  }
}
