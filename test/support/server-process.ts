import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** The command of a server and its readiness check. */
export interface Launch {
  /** Name for error messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Polled until it returns true. A thrown error counts as false. */
  readonly isReady: () => Promise<boolean>;
  /** Timeout for readiness in milliseconds. Default: 30 s; an idle machine needs one second. */
  readonly readyMs?: number;
  /** Directory of the server, removed by `stop`. */
  readonly directory?: string;
}

/** Only the end of the output is kept, for error messages. */
const LOG_CHARS_MAX = 20_000;

/** A server process on loopback. It can be killed and restarted on the same ports with the same data. */
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

  /** 0 if the server is not running. */
  get pid(): number {
    return this.isRunning ? (this.#child?.pid ?? 0) : 0;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** The end of the output, over all restarts. */
  logs(): string {
    return this.#logs;
  }

  /** Resolves when the server is ready. Does nothing if it is running. */
  async start(): Promise<void> {
    if (this.isRunning) return;
    const child = this.#spawn();
    this.#child = child;
    const end = Date.now() + (this.#launch.readyMs ?? 30_000);
    while (!(await this.#launch.isReady().catch(() => false))) {
      if (!this.isRunning) throw new Error(`${this.#launch.name} ended: ${this.#logs}`);
      if (Date.now() > end) {
        await this.kill();
        throw new Error(`${this.#launch.name} did not become ready: ${this.#logs}`);
      }
      await delay(20);
    }
    // If the port was taken, another server may have passed the check.
    if (!this.isRunning) throw new Error(`${this.#launch.name} ended: ${this.#logs}`);
  }

  /** Sends the signal and resolves when the process has ended. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const isOver = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await isOver;
  }

  /** SIGSTOP: the process does not respond until `resume`. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Sends SIGTERM, then SIGKILL after ten seconds, and removes the directory. */
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
    // The server must not outlive the test process.
    const onExit = (): void => void child.kill('SIGKILL');
    process.once('exit', onExit);
    child.once('exit', () => process.off('exit', onExit));
    return child;
  }
}

/** Whether a GET returns 2xx within one second. */
export async function answersOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
  await response.arrayBuffer();
  return response.ok;
}
