import { closeSync, fdatasyncSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** What a part of the program has acknowledged. `token` is unique; at the end it stands exactly once in its file. */
export type Fact = FactBody & {
  /** The client that has the acknowledgement. */
  readonly by: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
};

export type FactBody =
  | { readonly kind: 'input' | 'output' | 'span' | 'queued'; readonly task: string; readonly token: string }
  | {
      readonly kind: 'result';
      readonly task: string;
      readonly token: string;
      readonly status: 'completed' | 'failed' | 'cancelled';
    }
  | { readonly kind: 'event'; readonly workflow: string; readonly token: string; readonly type: string }
  | {
      readonly kind: 'delivery';
      readonly delivery: string;
      readonly token: string;
      /** Tries whose connection ended without an answer: the service may have taken the delivery all the same. */
      readonly cutTries: number;
    }
  | { readonly kind: 'run'; readonly token: string };

/** A file with the facts of one client, synced before `add` returns. */
export class Ledger {
  readonly #descriptor: number;
  readonly #name: string;
  count = 0;

  constructor(directory: string, name: string) {
    this.#descriptor = openSync(join(directory, `${name}.jsonl`), 'a');
    this.#name = name;
  }

  add(...facts: readonly FactBody[]): void {
    const stamp = { by: this.#name, at: Date.now() };
    writeSync(this.#descriptor, facts.map((fact) => `${JSON.stringify({ ...fact, ...stamp })}\n`).join(''));
    fdatasyncSync(this.#descriptor);
    this.count += facts.length;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The facts of all clients. A kill may have cut the last line of a file: that fact was not acknowledged yet. */
export function readFacts(directory: string): readonly Fact[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1))
    .map((line) => JSON.parse(line) as Fact);
}

/** A name for a token: tokens have no form of a secret, so redaction leaves them. */
export function tokenOf(client: string, number: number): string {
  return `fact.${client}.${number}.`;
}

export const TOKEN: RegExp = /fact\.[a-z0-9]+\.\d+\./g;
