import { lutimes } from 'node:fs';
import { taskFile } from '../layout.ts';

/**
 * Leaves the time of a heartbeat on the file of the facts, where every reader finds it: heartbeats are not stored. Not waited
 * for, and without a word when it fails: it is not more than a hint for people.
 */
export function touchFacts(logDir: string, taskId: string): void {
  const now = new Date();
  // Not through a link.
  lutimes(taskFile(logDir, taskId, 'facts'), now, now, () => {});
}
