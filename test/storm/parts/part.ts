import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** The command of a process. */
export interface Command {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export type PartKind = 'service' | 'worker' | 'recorder' | 'remote' | 'emit' | 'run';

export interface PartOptions {
  readonly name: string;
  readonly kind: PartKind;
  /** Called before each start. */
  command(start: number): Command;
  /** Milliseconds between an end and the next start. */
  readonly pauseMs: number;
  /** Resolves when its machine has power. */
  hasPower?(): Promise<void>;
  /** The output of the processes goes to this file. */
  readonly output: string;
}

/** What services, workers and recorders print when they have started. */
const READY = /writes to|sends to|recorder is ready/;

/** A place in which one process runs after another. */
export class Part {
  readonly name: string;
  readonly kind: PartKind;
  readonly #options: PartOptions;
  #child: ChildProcess | undefined;
  #isWanted = true;
  #isPaused = false;
  #starts = 0;
  #readyAtMs: number | undefined;
  #spawned: (() => void)[] = [];
  #loop: Promise<void> | undefined;

  constructor(options: PartOptions) {
    this.name = options.name;
    this.kind = options.kind;
    this.#options = options;
  }

  /** When its process became ready, on the clock of `performance.now()`; undefined before that and after its end. */
  get readyAtMs(): number | undefined {
    return this.isAlive ? this.#readyAtMs : undefined;
  }

  /** Starts processes until `end`. */
  run(): void {
    this.#isWanted = true;
    this.#loop ??= this.#keep();
  }

  get pid(): number | undefined {
    return this.isAlive ? this.#child?.pid : undefined;
  }

  get isAlive(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get starts(): number {
    return this.#starts;
  }

  /** Returns whether there was a process to signal. */
  signal(signal: NodeJS.Signals): boolean {
    if (!this.isAlive) return false;
    if (signal === 'SIGSTOP') this.#isPaused = true;
    if (signal === 'SIGCONT') this.#isPaused = false;
    return this.#child?.kill(signal) ?? false;
  }

  /** Resolves with the next start, or after the deadline. */
  async nextStart(deadlineMs: number): Promise<void> {
    const next = new Promise<void>((resolve) => this.#spawned.push(resolve));
    await Promise.race([next, delay(deadlineMs, undefined, { ref: false })]);
  }

  /** No further start; the process gets the signal, and SIGKILL when it does not end in time. */
  async end(signal: NodeJS.Signals, graceMs: number): Promise<'ended' | 'killed'> {
    this.#isWanted = false;
    this.signal('SIGCONT');
    this.signal(signal);
    const loop = this.#loop ?? Promise.resolve();
    const isOver = await Promise.race([
      loop.then(() => true),
      delay(graceMs, false as const, { ref: false }),
    ]);
    if (!isOver) this.signal('SIGKILL');
    await loop;
    this.#loop = undefined;
    return isOver ? 'ended' : 'killed';
  }

  async #keep(): Promise<void> {
    while (this.#isWanted) {
      await this.#options.hasPower?.();
      await this.#once();
      if (this.#isWanted) await delay(this.#options.pauseMs);
    }
  }

  async #once(): Promise<void> {
    const { command, output, name } = this.#options;
    const { args, env, cwd } = command(this.#starts);
    this.#starts += 1;
    const child = spawn(process.execPath, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#readyAtMs = undefined;
    this.#isPaused = false;
    for (const wake of this.#spawned.splice(0)) wake();
    const note = (text: string | Buffer): void => appendFileSync(output, text);
    note(`--- ${new Date().toISOString()} ${name} start ${this.#starts} pid ${child.pid}\n`);
    child.stdout?.on('data', (text: Buffer) => {
      if (READY.test(text.toString())) this.#readyAtMs = performance.now();
      note(text);
    });
    child.stderr?.on('data', note);
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      child.once('error', () => resolve([null, 'not started']));
      child.once('exit', (...end) => resolve(end));
    });
    note(`--- ${new Date().toISOString()} ${name} pid ${child.pid} exit ${code ?? signal}\n`);
  }
}
