import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Kills a child that hangs. On a busy machine the holders of `fsync` run for some minutes. */
const CHILD_MS_MAX = 600_000;

/** Time between SIGTERM and SIGKILL. The service's shutdown deadline is ten seconds. */
const END_MS_MAX = 12_000;

/** Calls `use` with an empty directory and removes the directory afterwards, also after an error. */
export async function withTempDir(use) {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-bench-'));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** The environment of a child. Only PATH comes from the caller, so that settings of the user do not change the figures. */
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

/** Starts a script, by its path relative to this folder. Its stdout is read as lines. */
export function startChild(script, { dir, env, args = [], msMax = CHILD_MS_MAX }) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], {
    cwd: dir,
    env: env ?? settings(dir),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const kill = setTimeout(() => child.kill('SIGKILL'), msMax);
  child.once('exit', () => clearTimeout(kill));
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

/** The first defined result of `pick` for the next lines. */
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

/** Resident memory of a process in MB; 0 for one that has ended. */
export async function residentMbOf(pid) {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s*(\d+)/.exec(text)?.[1] ?? 0) / 1_024;
}
