import { constants } from 'node:os';
import { ECHO_MS } from '../stop-signals.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The shell's exit code for a program that the signal ended. */
export function signalExitCode(signal: string): number {
  const number = Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0;
  return 128 + number;
}

/**
 * Handles SIGINT, SIGTERM and SIGHUP: the first signal aborts `stopSignal`, the second aborts `killSignal`, and the third
 * ends this process. A signal within two seconds of the one before is its echo and has no effect: under npx, one Ctrl-C
 * comes from the terminal and again from npm.
 */
export class Interrupts {
  /** The first signal. */
  received: NodeJS.Signals | undefined;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  #count = 0;
  #lastAtMs = Number.NEGATIVE_INFINITY;
  readonly #nowMs: () => number;
  #isLetting = false;
  readonly #listener = (signal: NodeJS.Signals): void => this.#take(signal);

  /** `nowMs` is a monotonic clock. Default: `performance.now()`. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  get stopSignal(): AbortSignal {
    return this.#stop.signal;
  }

  get killSignal(): AbortSignal {
    return this.#kill.signal;
  }

  /** Makes the next signal end this process. For the time when the agent has ended and all records are stored. */
  letThrough(): void {
    this.#isLetting = true;
  }

  stop(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }

  #take(signal: NodeJS.Signals): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#lastAtMs < ECHO_MS) return;
    this.#lastAtMs = nowMs;
    this.#count += 1;
    this.received ??= signal;
    if (this.#isLetting || this.#count > 2) {
      this.stop();
      // process.exit() would block on a write to a pipe whose reader has stopped reading.
      process.kill(process.pid, signal);
    } else if (this.#count === 1) this.#stop.abort();
    else this.#kill.abort();
  }
}
