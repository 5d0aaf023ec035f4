import { messageOf, TasktrailError } from '../../errors.ts';

/** A `MessagePort` or a `Worker`. */
export interface Port {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** Inputs and answers by the name of a request. */
type Requests<R> = { readonly [K in keyof R]: { readonly input: unknown; readonly answer: unknown } };

type Listeners<T> = { readonly [K in keyof T]: (value: T[K]) => void };
type Answers<R extends Requests<R>> = {
  readonly [K in keyof R]: (input: R[K]['input']) => Promise<R[K]['answer']>;
};

type Message =
  | { readonly kind: 'tell'; readonly name: string; readonly value: unknown }
  | { readonly kind: 'ask'; readonly id: number; readonly name: string; readonly value: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly reason: string };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** What one side says (`T`) and asks (`A`), and what the other side says (`L`) and asks (`R`). */
export interface ChannelSide<L, R extends Requests<R>> {
  readonly listeners: Listeners<L>;
  readonly answers: Answers<R>;
}

/** Statements and requests between two threads, in order. The other side runs the same version of this package. */
export class Channel<T, A extends Requests<A>, L, R extends Requests<R>> {
  readonly #port: Port;
  readonly #side: ChannelSide<L, R>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #closed: string | undefined;

  constructor(port: Port, side: ChannelSide<L, R>) {
    this.#port = port;
    this.#side = side;
    port.on('message', (message) => this.#receive(message as Message));
  }

  tell<K extends keyof T & string>(name: K, value: T[K]): void {
    if (this.#closed === undefined) this.#post({ kind: 'tell', name, value });
  }

  /** Rejects when there is no answer within `withinMs`, and when the other side ends before. */
  async ask<K extends keyof A & string>(
    name: K,
    input: A[K]['input'],
    withinMs: number,
  ): Promise<A[K]['answer']> {
    if (this.#closed !== undefined) throw unanswered(this.#closed);
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(unanswered(`the other thread has not answered for ${withinMs} ms`));
      }, withinMs).unref();
      this.#waiting.set(id, { resolve, reject, timer });
    });
    this.#post({ kind: 'ask', id, name, value: input });
    return answer;
  }

  /** The other side has ended: what was asked is not answered any more. */
  close(reason: string): void {
    this.#closed ??= reason;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(unanswered(this.#closed));
    }
    this.#waiting.clear();
  }

  #post(message: Message): void {
    this.#port.postMessage(message);
  }

  #receive(message: Message): void {
    switch (message.kind) {
      case 'tell':
        this.#side.listeners[message.name as keyof L](message.value as L[keyof L]);
        return;
      case 'ask':
        void this.#answer(message.id, message.name as keyof R, message.value);
        return;
      case 'answer':
        this.#take(message.id)?.resolve(message.value);
        return;
      case 'failure':
        this.#take(message.id)?.reject(unanswered(message.reason));
    }
  }

  async #answer(id: number, name: keyof R, input: unknown): Promise<void> {
    try {
      const value = await this.#side.answers[name](input as R[keyof R]['input']);
      this.#post({ kind: 'answer', id, value });
    } catch (error) {
      this.#post({ kind: 'failure', id, reason: messageOf(error) });
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    return waiting;
  }
}

function unanswered(reason: string): TasktrailError {
  return new TasktrailError('ERR_UNEXPECTED', reason, { retryable: true });
}
