import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type Launch, ServerProcess } from './server-process.ts';
import { findTool, pathOf, type Tool } from './tool.ts';

export type RedisProgram = Tool;

/** The installed server, or Debian's, unpacked into the cache of test programs. */
export function findRedis(): RedisProgram {
  return findTool('redis-server');
}

export interface RedisOptions {
  readonly password?: string;
  /** Redis writes commands to disk before it replies, so a kill loses nothing. Default false: a kill loses all data. */
  readonly appendOnly?: boolean;
  /** Further arguments, such as `['--tls-port', '0']`. */
  readonly args?: readonly string[];
}

/** A Redis server on loopback with a temporary directory. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  readonly pid: number;
  /** SIGKILL: closes the connections and loses data that is not on disk. */
  kill(): Promise<void>;
  /** Starts again on the same port, with the data on disk unless `empty`. */
  start(options?: { readonly empty?: boolean }): Promise<void>;
  /** SIGSTOP: the process does not respond until `resume`. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export async function startRedis(program: RedisProgram, options: RedisOptions = {}): Promise<RedisServer> {
  const command = pathOf(program);
  const directory = await mkdtemp(join(tmpdir(), 'tasktrail-redis-'));
  const port = await freePort();
  const server = await ServerProcess.start(launchOf(command, { directory, port, options }));
  const auth = options.password === undefined ? '' : `:${options.password}@`;
  return {
    url: `redis://${auth}127.0.0.1:${port}`,
    port,
    directory,
    get pid() {
      return server.pid;
    },
    kill: () => server.kill(),
    start: async ({ empty = false } = {}) => {
      await server.kill();
      if (empty) await rm(join(directory, 'appendonlydir'), { recursive: true, force: true });
      await server.start();
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
    stop: async () => {
      // On SIGTERM, Redis would wait for BullMQ's blocking commands.
      await server.kill();
      await server.stop();
    },
  };
}

function launchOf(
  command: string,
  at: { readonly directory: string; readonly port: number; readonly options: RedisOptions },
): Launch {
  const { directory, port, options } = at;
  const { password, appendOnly = false, args: more = [] } = options;
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', ''];
  args.push('--appendonly', appendOnly ? 'yes' : 'no', '--appendfsync', 'always', '--daemonize', 'no');
  if (password !== undefined) args.push('--requirepass', password);
  const isReady = (): Promise<boolean> => answers(port, password);
  return { name: 'redis-server', command, args: [...args, ...more], isReady, directory };
}

/** Whether Redis replies to PING, which it does after it has loaded its data. */
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
