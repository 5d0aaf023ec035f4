import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The shell's exit code for a program that the signal ended. */
export function signalExitCode(signal: string): number {
  const number = Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0;
  return 128 + number;
}

/**
 * Handles SIGINT, SIGTERM and SIGHUP: the first signal aborts `stopSignal`, the second aborts `killSignal`, and the third
 * ends this process.
 */
export class Interrupts {
  /** The first signal. */
  received: NodeJS.Signals | undefined;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  #count = 0;
  #isLetting = false;
  readonly #listener = (signal: NodeJS.Signals): void => this.#take(signal);

  constructor() {
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
