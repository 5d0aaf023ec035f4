import { setTimeout as delay } from 'node:timers/promises';
import { type FactBody, Ledger, tokenOf } from '../ledger.ts';
import type { World } from '../world.ts';

/** Longest wait for an answer, as long as GitHub waits. A hanging proxy gives none. */
const ANSWER_MS_MAX = 10_000;

/** Tries after the end of a round: half a minute, or longer where answers take long. */
const LATE_TRIES_MAX = 100;

/** `cut`: the request may have arrived. */
export type Answer = { readonly status: number; readonly text: string } | 'refused' | 'cut';

/** A client in this process, with a ledger of its own. */
export abstract class Client {
  readonly name: string;
  protected readonly world: World;
  readonly #ledger: Ledger;
  #number = 0;
  #isEnding = false;
  #lateTries = 0;
  #loop: Promise<void> | undefined;
  fault: unknown;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.#ledger = new Ledger(world.ledgers, name);
  }

  protected get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Whether to give up: long after the end of the round, when everything is well. Counts its calls from there. */
  protected isOver(): boolean {
    if (this.#isEnding) this.#lateTries += 1;
    return this.#lateTries > LATE_TRIES_MAX;
  }

  get acknowledged(): number {
    return this.#ledger.count;
  }

  run(): void {
    this.#loop = this.#repeat();
  }

  /** Resolves when the work in hand is done. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#loop;
    this.#ledger.close();
  }

  /** One piece of work. Rejects on a fault of the harness only. */
  protected abstract once(): Promise<void>;

  protected token(): string {
    this.#number += 1;
    return tokenOf(this.name, this.#number);
  }

  protected acknowledge(...facts: readonly FactBody[]): void {
    this.#ledger.add(...facts);
  }

  async #repeat(): Promise<void> {
    while (!this.#isEnding) {
      try {
        await this.once();
      } catch (error) {
        this.fault ??= error;
        await delay(500);
      }
    }
  }
}

export async function post(
  url: string,
  body: Uint8Array<ArrayBuffer> | string,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const response = await fetch(url, { method: 'POST', headers, body, signal });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    const cause: unknown = Reflect.get(Object(error), 'cause');
    return Reflect.get(Object(cause), 'code') === 'ECONNREFUSED' ? 'refused' : 'cut';
  }
}
