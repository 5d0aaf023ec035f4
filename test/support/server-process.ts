import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** How a server is started, and how one sees that it serves. */
export interface Launch {
  /** What it is called in messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Asked again and again; one that throws says no. */
  readonly isReady: () => Promise<boolean>;
  /** Default: 30 s, of which a machine with nothing else to do needs one. */
  readonly readyMs?: number;
  /** Its own directory, removed by `stop`. */
  readonly directory?: string;
}

/** The end of what a process has printed: enough for a failure's message. */
const LOG_CHARS_MAX = 20_000;

/** A real server on loopback. It can be killed and started again, on the same ports and over the same data. */
export class ServerProcess {
  readonly #launch: Launch;
  #child: ChildProcess | undefined;
  #logs = '';

  constructor(launch: Launch) {
    this.#launch = launch;
  }

  static async start(launch: Launch): Promise<ServerProcess> {
    const server = new ServerProcess(launch);
    await server.start();
    return server;
  }

  /** 0 when it does not run. */
  get pid(): number {
    return this.isRunning ? (this.#child?.pid ?? 0) : 0;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** The end of what it printed, in all its lives. */
  logs(): string {
    return this.#logs;
  }

  /** Runs and serves when this is over; nothing happens when it runs already. */
  async start(): Promise<void> {
    if (this.isRunning) return;
    const child = this.#spawn();
    this.#child = child;
    const end = Date.now() + (this.#launch.readyMs ?? 30_000);
    while (!(await this.#launch.isReady().catch(() => false))) {
      if (!this.isRunning) throw new Error(`${this.#launch.name} ended: ${this.#logs}`);
      if (Date.now() > end) {
        await this.kill();
        throw new Error(`${this.#launch.name} does not get ready: ${this.#logs}`);
      }
      await delay(20);
    }
    // Another's server may have answered, when this one could not have its port.
    if (!this.isRunning) throw new Error(`${this.#launch.name} ended: ${this.#logs}`);
  }

  /** Gives when it has ended. By default it has no time for anything. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const isOver = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await isOver;
  }

  /** It goes on existing and answers nothing, until `resume`. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Asks it to end, and makes it after ten seconds; what it kept on disk is gone. */
  async stop(): Promise<void> {
    this.resume();
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), 10_000);
    await this.kill('SIGTERM');
    clearTimeout(timer);
    const { directory } = this.#launch;
    if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }

  #spawn(): ChildProcess {
    const { command, args, env, cwd } = this.#launch;
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#logs = (this.#logs + text).slice(-LOG_CHARS_MAX);
      });
    }
    child.once('error', (error) => {
      this.#logs += error.message;
    });
    // A test process that dies must not leave it behind.
    const onExit = (): void => void child.kill('SIGKILL');
    process.once('exit', onExit);
    child.once('exit', () => process.off('exit', onExit));
    return child;
  }
}

/** Whether something there answers a GET with 2xx. */
export async function answersOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
  await response.arrayBuffer();
  return response.ok;
}
