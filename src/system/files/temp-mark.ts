import { randomBytes } from 'node:crypto';

/** Drawn once: it costs a system call, and the store makes some temporary files for each task. */
const OWN = randomBytes(6).toString('hex');
let count = 0;

/**
 * For the name of a temporary file: no other one has it, whether of this thread, of another one, or of a process with the same
 * number in another container.
 */
export function tempMark(): string {
  count += 1;
  return `${OWN}-${count}`;
}
