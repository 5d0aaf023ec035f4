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
