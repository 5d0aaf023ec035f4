import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tasktrail-test');
const UNPACKED = join(CACHE, 'redis');

/** What a person does who wants these tests to run. */
const COMMAND = 'apt-get install redis-server';

/** Where Redis is, or why it cannot be had: then the tests that need it are skipped. */
export type RedisProgram =
  | { readonly path: string; readonly env: Readonly<Record<string, string>> }
  | { readonly missing: string };

/**
 * The server: on the PATH, else in the cache, else from Debian's packages, unpacked into the cache: the machine itself
 * stays as it is, and no daemon is started. Where nobody looks at what was skipped (`CI=true`), its absence is an error.
 */
export function findRedis(): RedisProgram {
  const found = installedRedis() ?? unpackedRedis() ?? fetchRedis();
  if ('missing' in found) {
    if (process.env.CI === 'true') throw new Error(found.missing);
    process.stderr.write(`skipped: ${found.missing}\n`);
  }
  return found;
}

function installedRedis(): RedisProgram | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  const path = folders.map((folder) => join(folder, 'redis-server')).find((file) => existsSync(file));
  return path === undefined ? undefined : { path, env: {} };
}

function unpackedRedis(): RedisProgram | undefined {
  const bin = join(UNPACKED, 'usr', 'bin');
  // Debian's redis-server is a link to another program of the package.
  const path = ['redis-server', 'redis-check-rdb']
    .map((name) => join(bin, name))
    .find((file) => existsSync(file) && statSync(file).isFile());
  if (path === undefined) return undefined;
  const lib = join(UNPACKED, 'usr', 'lib');
  const libraries = [lib, join(UNPACKED, 'lib'), ...readdirSync(lib).map((name) => join(lib, name))].join(
    ':',
  );
  const server = join(bin, 'redis-server');
  return { path: existsSync(server) ? server : path, env: { LD_LIBRARY_PATH: libraries } };
}

function fetchRedis(): RedisProgram {
  const because = (reason: string): RedisProgram => ({
    missing: `there is no redis-server (${reason}); to run these tests: ${COMMAND}`,
  });
  if (process.getuid?.() !== 0) return because('not root, so Debian is not asked for it');
  if (spawnSync('apt-get', ['--version']).status !== 0) return because('this is no Debian');
  mkdirSync(CACHE, { recursive: true });
  const lock = join(CACHE, 'redis.lock');
  if (!takeLock(lock)) {
    // Another test file fetches it now.
    for (let waited = 0; waited < 300_000 && existsSync(lock); waited += 200) pause(200);
    return unpackedRedis() ?? because('another process could not fetch it');
  }
  const work = mkdtempSync(join(CACHE, 'redis-build-'));
  try {
    const failure = unpackInto(work);
    if (failure !== undefined) return because(failure);
    rmSync(UNPACKED, { recursive: true, force: true });
    // Whole or not at all.
    renameSync(join(work, 'root'), UNPACKED);
    return unpackedRedis() ?? because('its package holds no redis-server');
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Gives what went wrong. */
function unpackInto(work: string): string | undefined {
  let names = missingPackages();
  if (names.length === 0) {
    // The lists are empty on a fresh container.
    const update = run(work, 'apt-get', ['update']);
    if (update !== undefined) return update;
    names = missingPackages();
  }
  if (names.length === 0) return 'apt-get install --simulate redis-server names no package';
  // apt fetches as a user of its own, who may not write here; as root it does.
  const fetched = run(work, 'apt-get', ['-o', 'APT::Sandbox::User=root', 'download', ...names]);
  if (fetched !== undefined) return fetched;
  for (const name of readdirSync(work).filter((file) => file.endsWith('.deb'))) {
    const unpacked = run(work, 'dpkg', ['-x', name, 'root']);
    if (unpacked !== undefined) return unpacked;
  }
  return undefined;
}

/** What `apt-get install` would add: the server, and the libraries that this machine lacks. */
function missingPackages(): string[] {
  const args = ['install', '--simulate', '--no-install-recommends', 'redis-server'];
  const { stdout } = spawnSync('apt-get', args, { encoding: 'utf8' });
  return [...(stdout ?? '').matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name);
}

function run(cwd: string, program: string, args: readonly string[]): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr, error } = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 240_000,
  });
  if (status === 0) return undefined;
  return `${program} ${args[0] ?? ''} failed: ${(error?.message ?? stderr ?? '').trim().slice(-300)}`;
}

/** Held by whoever makes the folder; one that a killed run left behind is taken over. */
function takeLock(path: string): boolean {
  try {
    if (existsSync(path) && Date.now() - statSync(path).mtimeMs > 300_000) rmSync(path, { recursive: true });
    mkdirSync(path);
    return true;
  } catch {
    // EEXIST.
    return false;
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

export interface RedisOptions {
  readonly password?: string;
  /** Writes go to a file before they are answered, so that a kill loses nothing. Default: nothing is kept. */
  readonly appendOnly?: boolean;
  /** More arguments, such as `['--tls-port', '0']`. */
  readonly args?: readonly string[];
}

/** A Redis of its own on loopback, in a temporary directory. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  readonly pid: number;
  /** SIGKILL: the connections fall, and what is not on disk is lost. */
  kill(): Promise<void>;
  /** On the same port again, with its data if it was told to keep them. */
  start(options?: { readonly empty?: boolean }): Promise<void>;
  /** It goes on existing and answers nothing, until `resume`. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export async function startRedis(program: RedisProgram, options: RedisOptions = {}): Promise<RedisServer> {
  if ('missing' in program) throw new Error(program.missing);
  const directory = await mkdtemp(join(tmpdir(), 'tasktrail-redis-'));
  const port = await freePort();
  let child = await launch(program, { directory, port, options });
  const auth = options.password === undefined ? '' : `:${options.password}@`;
  const kill = async (): Promise<void> => {
    const isOver = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await isOver;
  };
  return {
    url: `redis://${auth}127.0.0.1:${port}`,
    port,
    directory,
    get pid() {
      return child.pid ?? 0;
    },
    kill,
    start: async ({ empty = false } = {}) => {
      await kill();
      if (empty) await rm(join(directory, 'appendonlydir'), { recursive: true, force: true });
      child = await launch(program, { directory, port, options });
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: async () => {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function launch(
  program: Extract<RedisProgram, { path: string }>,
  at: { readonly directory: string; readonly port: number; readonly options: RedisOptions },
): Promise<ChildProcess> {
  const { directory, port, options } = at;
  const { password, appendOnly = false, args: more = [] } = options;
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', ''];
  args.push('--appendonly', appendOnly ? 'yes' : 'no', '--appendfsync', 'always', '--daemonize', 'no');
  if (password !== undefined) args.push('--requirepass', password);
  const env = { ...process.env, ...program.env };
  const child = spawn(program.path, [...args, ...more], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  // A test process that dies must not leave it behind.
  const onExit = (): void => void child.kill('SIGKILL');
  process.once('exit', onExit);
  child.once('exit', () => process.off('exit', onExit));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2_000);
    });
  }
  for (let waited = 0; !(await answers(port, password)); waited += 20) {
    if (child.exitCode !== null || waited > 20_000) {
      child.kill('SIGKILL');
      throw new Error(`redis-server does not start: ${said}`);
    }
    await delay(20);
  }
  return child;
}

/** Whether it has loaded what it has, and answers. */
function answers(port: number, password: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on('error', () => {});
    socket.once('close', () => resolve(false));
    socket.once('connect', () => {
      socket.write(password === undefined ? 'PING\r\n' : `AUTH ${password}\r\nPING\r\n`);
    });
    socket.on('data', (bytes) => {
      if (bytes.toString().includes('+PONG')) resolve(true);
      socket.destroy();
    });
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return address.port;
}
