import { execFileSync, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { MAIN } from './built.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');

/** Timeout of a script in milliseconds. The scripts of the pages take seconds. */
const SCRIPT_MS = 120_000;

export interface ScriptEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A home and working directory for commands of the documentation, with this checkout's `tasktrail` in PATH. */
export interface Sandbox {
  readonly dir: string;
  readonly logDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a script with `bash -euo pipefail`. */
  run(script: string, env?: Readonly<Record<string, string>>): Promise<ScriptEnd>;
  remove(): Promise<void>;
}

export async function openSandbox(): Promise<Sandbox> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-sandbox-'));
  const logDir = join(dir, '.local', 'state', 'tasktrail', 'tasks');
  const [bin, temp] = [join(dir, '.bin'), join(dir, '.tmp')];
  await Promise.all([bin, temp].map((path) => mkdir(path)));
  const tasktrail = `exec ${process.execPath} ${MAIN}`;
  await writeProgram(join(bin, 'tasktrail'), `${tasktrail} "$@"`);
  await writeProgram(
    join(bin, 'npx'),
    `[ "$1" = tasktrail ] || { echo "npx: not allowed in tests: $*" >&2; exit 64; }\nshift\n${tasktrail} "$@"`,
  );
  // Not always beside Node: the npm package of a Node release has none.
  const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  // Only `npm run` with scripts of this checkout. Other commands might install packages.
  await writeProgram(
    join(bin, 'npm'),
    `[ "$1" = run ] || { echo "npm: not allowed in tests: $*" >&2; exit 64; }\n` +
      `exec ${npm} --silent --prefix ${ROOT} "$@"`,
  );
  const env = {
    PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
    HOME: dir,
    // Removed with the sandbox.
    TMPDIR: temp,
    LANG: 'C.UTF-8',
    TASK_LOGS_DIR: logDir,
    TASK_LOGS_OTLP_PORT: '0',
  };
  return {
    dir,
    logDir,
    env,
    run: (script, more = {}) => runScript(script, { cwd: dir, env: { ...env, ...more } }),
    remove: () => rm(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Copies an example into a sandbox and links its dependencies to the packages of this checkout. */
export async function copyExample(name: string, sandbox: Sandbox): Promise<string> {
  const dir = join(sandbox.dir, name);
  await cp(join(ROOT, 'examples', name), dir, { recursive: true });
  await linkPackages(dir, Object.keys(await dependenciesOf(name)));
  return dir;
}

/** The dependencies in the `package.json` of an example; empty if it has no `package.json`. */
export async function dependenciesOf(name: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(join(ROOT, 'examples', name, 'package.json'), 'utf8').catch(() => '{}');
  const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
  return dependencies;
}

/** Links packages of this checkout, and `tasktrail` itself, into `node_modules` of a directory. */
export async function linkPackages(dir: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const target = name === 'tasktrail' ? ROOT : join(ROOT, 'node_modules', name);
    const path = join(dir, 'node_modules', name);
    await mkdir(dirname(path), { recursive: true });
    await symlink(target, path);
  }
}

async function writeProgram(path: string, body: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

function runScript(
  script: string,
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<ScriptEnd> {
  return new Promise((done, fail) => {
    const options = { cwd, env, timeout: SCRIPT_MS, killSignal: 'SIGKILL' } as const;
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      ...options,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', fail);
    child.once('close', (code) => done({ code, stdout, stderr }));
  });
}
