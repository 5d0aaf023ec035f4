import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What shells give as the exit code of a program that a signal ended. */
export function signalExitCode(signal: string): number {
  const number = Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0;
  return 128 + number;
}

/**
 * The signals that ask us to end: the first aborts `stopSignal`, the second `killSignal`, and a third ends the process as
 * if nobody had caught it.
 */
export class Interrupts {
  /** The first that came. */
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

  /** From now on the next signal ends the process: nothing is left that it could break. */
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
      // Not process.exit: that waits for a write to a reader who has stopped reading.
      process.kill(process.pid, signal);
    } else if (this.#count === 1) this.#stop.abort();
    else this.#kill.abort();
  }
}
