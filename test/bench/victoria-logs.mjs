import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const READY_MS_MAX = 15_000;

/** The path of the program, or undefined where it cannot be built. */
export async function findVictoriaLogs() {
  const script = fileURLToPath(new URL('../tools/build.sh', import.meta.url));
  const build = spawn(script, ['victoria-logs'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(build, 'exit');
  let path = '';
  for await (const chunk of build.stdout.setEncoding('utf8')) path += chunk;
  return (await exit)[0] === 0 ? path.trim() : undefined;
}

/** Resolves when it answers. `data`: its directory. */
export async function startVictoriaLogs(program, data) {
  const port = await freePort();
  const args = [`-storageDataPath=${data}`, `-httpListenAddr=127.0.0.1:${port}`, '-retentionPeriod=100y'];
  const child = spawn(program, args, { stdio: 'ignore' });
  const logs = { child, pid: child.pid, url: `http://127.0.0.1:${port}` };
  const until = performance.now() + READY_MS_MAX;
  while (!(await fetch(`${logs.url}/health`).catch(() => undefined))?.ok) {
    if (performance.now() > until) {
      child.kill('SIGKILL');
      throw new Error('VictoriaLogs did not answer');
    }
    await delay(20);
  }
  return logs;
}

export async function stopVictoriaLogs({ child }) {
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
