import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Longer than any child works; one that hangs must not hold up the bench. */
const CHILD_MS_MAX = 90_000;

/** After SIGTERM: the service's own deadline at shutdown is ten seconds. */
const END_MS_MAX = 12_000;

/** Gives `use` an empty directory, and removes it whatever happens. */
export async function withTempDir(use) {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-bench-'));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Of the caller's environment only what a process needs to run: no setting of a user may change a figure. */
export function settings(dir, more = {}) {
  return {
    PATH: process.env.PATH,
    HOME: dir,
    TASK_LOGS_DIR: join(dir, 'logs'),
    TASK_LOGS_OTLP_PORT: '0',
    PORT: '0',
    ...more,
  };
}

/** Starts a script of this folder, or of `dist` when it begins with `../`; its standard output is lines. */
export function startChild(script, { dir, env, args = [] }) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], {
    cwd: dir,
    env: env ?? settings(dir),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const kill = setTimeout(() => child.kill('SIGKILL'), CHILD_MS_MAX);
  child.once('exit', () => clearTimeout(kill));
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

/** The next line for which `pick` gives something. */
export async function nextLine({ lines }, pick) {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error('a child of the bench ended early');
    const picked = pick(value);
    if (picked !== undefined) return picked;
  }
}

export async function ask(started, request) {
  started.child.stdin.write(`${JSON.stringify(request)}\n`);
  return JSON.parse(await nextLine(started, (line) => line));
}

export async function endChild({ child }) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.stdin.end();
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
  await exit;
  clearTimeout(kill);
}
