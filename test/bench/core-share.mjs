import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** CPU usage of this process over the next `ms` milliseconds: 1 is one full core. */
export async function coreShare(ms) {
  const before = process.cpuUsage();
  const start = performance.now();
  await delay(ms);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (performance.now() - start);
}

/** Milliseconds of a tick of `/proc`: the kernel shows all times in hundredths of a second. */
const TICK_MS = 10;

/** User and system time of all threads of another process in milliseconds. NaN where there is no `/proc`. */
export async function cpuMsOf(pid) {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return Number.NaN;
  }
}

/** User and system time of this process for `work`, in milliseconds. */
export async function cpuMsFor(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
