import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { trailTokenOf } from '../../dist/model/trail-token.js';
import { endChild, nextLine, settings, startChild } from './child.mjs';
import { startVictoriaLogs, stopVictoriaLogs } from './victoria-logs.mjs';

/** Of the trail: what others send is looked up before it is stored. */
const KEY = randomBytes(32).toString('hex');

export const AUTHORIZATION = `Bearer ${trailTokenOf(KEY)}`;

const READY_MS_MAX = 15_000;

/** Of an index, and of the reading of its tasks. */
export const INDEX_MS_MAX = 7_200_000;

/** A VictoriaLogs and this number of services over it. */
export async function withStore(dir, program, count, use) {
  const data = join(dir, 'data');
  const logs = await startVictoriaLogs(program, data);
  const services = [];
  try {
    for (let number = 0; number < count; number += 1)
      services.push(await startService(dir, ['serve', '--store', addressOf(logs)]));
    return await use({ services, logs, data });
  } finally {
    await Promise.all(services.map(({ started }) => endChild(started)));
    await stopVictoriaLogs(logs);
  }
}

/** As `TASK_LOGS_STORE_URL`. */
export function addressOf({ url }) {
  return url.replace('http:', 'victorialogs:');
}

export async function startService(dir, args) {
  const started = startChild('../../dist/cli/main.js', {
    ...{ dir, args, env: settings(dir, { TASK_LOGS_KEY: KEY }), msMax: 2 * INDEX_MS_MAX },
  });
  const seen = {};
  await nextLine(started, (line) => {
    const [, name, url] = /^\s+(health|OTLP)\s+(http:\S+)/.exec(line) ?? [];
    if (name !== undefined) seen[name] = url;
    return seen.health !== undefined && seen.OTLP !== undefined ? seen : undefined;
  });
  return { started, url: seen.health.replace(/\/readyz$/, ''), otlpUrl: seen.OTLP };
}

/** Makes visible, and writes to the disk. */
export async function flush({ url }) {
  await fetch(`${url}/internal/force_flush`);
}

export async function waitFor(check, everyMs = 20, withinMs = READY_MS_MAX) {
  const until = performance.now() + withinMs;
  while (!(await check().catch(() => false))) {
    if (performance.now() > until) throw new Error('it did not happen in time');
    await delay(everyMs);
  }
}
