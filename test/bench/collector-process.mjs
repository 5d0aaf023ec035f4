import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nextLine } from './child.mjs';

const BUILD = fileURLToPath(new URL('../../collector/build.sh', import.meta.url));

/** Kills a collector that hangs. All parts of the bench need less time. */
const COLLECTOR_MS_MAX = 180_000;

/** The unit of CPU time in /proc: USER_HZ is 100 on all common architectures. */
const TICKS_A_SECOND = 100;

/** The path of the collector, which `collector/build.sh` builds if necessary; undefined if that fails. */
export async function findCollector() {
  const build = spawn(BUILD, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(build, 'exit');
  let path = '';
  for await (const chunk of build.stdout.setEncoding('utf8')) path += chunk;
  const [code] = await exit;
  return code === 0 ? path.trim() : undefined;
}

/** Starts a collector and returns its HTTP address. End it with `endChild`. */
export async function startCollector(program, { config, sets = [], env = {} }) {
  const args = ['--config', config, ...sets.map((set) => `--set=${set}`)];
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const kill = setTimeout(() => child.kill('SIGKILL'), COLLECTOR_MS_MAX);
  child.once('exit', () => clearTimeout(kill));
  const said = [];
  const lines = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
  let address;
  try {
    await nextLine({ lines }, (line) => {
      said.push(line);
      address ??= /Starting HTTP server.*"endpoint": "([^"]+)"/.exec(line)?.[1];
      return line.includes('Everything is ready') ? line : undefined;
    });
  } catch (error) {
    throw new Error(`the collector did not start:\n${said.slice(-5).join('\n')}`, { cause: error });
  }
  void discard(lines);
  return { child, lines, url: `http://${address}` };
}

/** A full pipe would block the collector. */
async function discard(lines) {
  while (!(await lines.next()).done);
}

/** CPU time of a process in seconds, and its peak resident memory in MB. */
export async function costOf({ child }) {
  const [stat, status] = await Promise.all(
    ['stat', 'status'].map((name) => readFile(`/proc/${child.pid}/${name}`, 'utf8')),
  );
  // The second field is the program's name in parentheses, which may contain spaces.
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return {
    cpuSeconds: (Number(user) + Number(system)) / TICKS_A_SECOND,
    peakMb: Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]) / 1024,
  };
}
