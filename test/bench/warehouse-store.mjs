import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { trailTokenOf } from '../../dist/model/trail-token.js';
import { endChild, nextLine, settings, startChild } from './child.mjs';

/** Of the trail: what others send is looked up before it is stored. */
const KEY = randomBytes(32).toString('hex');

export const AUTHORIZATION = `Bearer ${trailTokenOf(KEY)}`;

const READY_MS_MAX = 15_000;

/** Of an index, and of the reading of its tasks. */
export const INDEX_MS_MAX = 7_200_000;

export async function findVictoriaLogs() {
  const script = fileURLToPath(new URL('../tools/build.sh', import.meta.url));
  const build = spawn(script, ['victoria-logs'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(build, 'exit');
  let path = '';
  for await (const chunk of build.stdout.setEncoding('utf8')) path += chunk;
  return (await exit)[0] === 0 ? path.trim() : undefined;
}

/** A VictoriaLogs and this number of services over it. */
export async function withStore(dir, program, count, use) {
  const data = join(dir, 'data');
  const port = await freePort();
  const args = [`-storageDataPath=${data}`, `-httpListenAddr=127.0.0.1:${port}`, '-retentionPeriod=100y'];
  const child = spawn(program, args, { stdio: 'ignore' });
  const logs = { pid: child.pid, port, url: `http://127.0.0.1:${port}` };
  const services = [];
  try {
    await waitFor(async () => (await fetch(`${logs.url}/health`)).ok);
    for (let number = 0; number < count; number += 1)
      services.push(await startService(dir, ['serve', '--store', `victorialogs://127.0.0.1:${port}`]));
    return await use({ services, logs, data });
  } finally {
    await Promise.all(services.map(({ started }) => endChild(started)));
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await exit;
  }
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

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
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
