import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** What this process takes of one core during the next so many milliseconds: 1 is all of it. */
export async function coreShare(ms) {
  const before = process.cpuUsage();
  const start = performance.now();
  await delay(ms);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (performance.now() - start);
}
