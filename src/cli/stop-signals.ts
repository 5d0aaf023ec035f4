import { constants } from 'node:os';
import { pickEnvironment } from '../config/environment.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Milliseconds after the first signal in which further ones are its echo. One Ctrl-C under `npm start` signals this process
 * twice: the terminal signals its whole foreground process group, and npm forwards its own copy moments later.
 */
export const ECHO_MS = 2_000;

/** Milliseconds between two looks at the parent process: a stop begins at most that late. */
const PARENT_POLL_MS = 250;

export interface StopSignalsOptions {
  /** A monotonic clock in milliseconds. Default: `performance.now()`. */
  readonly nowMs?: () => number;
  /** Ends the process at once. Default: `process.exit`. */
  readonly exit?: (code: number) => void;
}

/**
 * The signals that ask this process to stop; under this package's npm scripts also the end of the shell that npm has put
 * between itself and this process, because npm forwards SIGTERM to that shell only. The first signal aborts `signal`, so
 * that the command stops cleanly. One that arrives two seconds later or after that ends the process at once, with the exit
 * code that shells give for that signal.
 */
export class StopSignals {
  /** The first signal that arrived. */
  received: NodeJS.Signals | undefined;
  readonly #stop = new AbortController();
  readonly #nowMs: () => number;
  readonly #exit: (code: number) => void;
  readonly #listener = (signal: NodeJS.Signals): void => this.#take(signal);
  readonly #parentTimer: NodeJS.Timeout | undefined;
  #firstAtMs = 0;

  constructor({
    nowMs = () => performance.now(),
    exit = (code) => process.exit(code),
  }: StopSignalsOptions = {}) {
    this.#nowMs = nowMs;
    this.#exit = exit;
    for (const signal of SIGNALS) process.on(signal, this.#listener);
    const { npm_package_name: scriptOf } = pickEnvironment(['npm_package_name']);
    if (scriptOf === 'tasktrail') this.#parentTimer = this.#watchParent();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Resolves with the first signal. */
  first(): Promise<NodeJS.Signals> {
    return new Promise((resolve) => {
      const take = (): void => resolve(this.received ?? 'SIGTERM');
      if (this.#stop.signal.aborted) take();
      else this.#stop.signal.addEventListener('abort', take, { once: true });
    });
  }

  /** From here on a signal has its default effect. */
  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
    clearInterval(this.#parentTimer);
  }

  #watchParent(): NodeJS.Timeout {
    const parent = process.ppid;
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      this.#take('SIGTERM');
    }, PARENT_POLL_MS);
    return timer.unref();
  }

  #take(signal: NodeJS.Signals): void {
    if (this.received === undefined) {
      this.received = signal;
      this.#firstAtMs = this.#nowMs();
      this.#stop.abort();
    } else if (this.#nowMs() - this.#firstAtMs >= ECHO_MS) this.#exit(128 + constants.signals[signal]);
  }
}
