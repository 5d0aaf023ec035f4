import { readProc } from '../system/process-table.ts';

/**
 * Number of processes that the system has killed for lack of memory since its boot, including those over the limit of
 * their container (proc(5), `/proc/vmstat`). Undefined where the system has no such count.
 */
export function countOomKills(): number | undefined {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readProc('vmstat'))?.[1];
    return count === undefined ? undefined : Number(count);
  } catch {
    // ENOENT: no /proc. EACCES: a sandbox.
    return undefined;
  }
}
