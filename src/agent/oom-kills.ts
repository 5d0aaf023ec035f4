import { readFileSync } from 'node:fs';

/**
 * How many processes the system has killed for want of memory since it started (proc(5), `/proc/vmstat`), those of a
 * container's own limit included; undefined where it does not tell.
 */
export function countOomKills(): number | undefined {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1];
    return count === undefined ? undefined : Number(count);
  } catch {
    // ENOENT: not Linux. EACCES: a sandbox.
    return undefined;
  }
}
