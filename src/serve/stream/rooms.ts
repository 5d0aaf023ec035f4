import type { IncomingMessage } from 'node:http';
import { ProblemError } from '../problem.ts';

/** Each stream has a socket and some ten kilobytes. With the other connections they stay below those of the server. */
const STREAMS_MAX = 1_000;

/** Of one address. Behind a proxy on this machine all clients have one. */
const STREAMS_OF_CLIENT_MAX = 800;

export interface StreamLimits {
  /** Streams of all clients. Default 1,000. */
  readonly streamsMax?: number | undefined;
  /** Streams of one address. Default 800. */
  readonly streamsOfClientMax?: number | undefined;
}

/** Counts the open streams. */
export class StreamRooms {
  readonly #max: number;
  readonly #ofClientMax: number;
  readonly #clients = new Map<string, number>();
  readonly #open = new Set<AbortController>();
  #isClosed = false;

  constructor({ streamsMax = STREAMS_MAX, streamsOfClientMax = STREAMS_OF_CLIENT_MAX }: StreamLimits = {}) {
    this.#max = streamsMax;
    this.#ofClientMax = streamsOfClientMax;
  }

  /**
   * Takes a room for a request. The signal is aborted at shutdown. Throws `ERR_BUSY`: 503 when there are too many streams, 429
   * when this client has too many.
   */
  enter(req: IncomingMessage): { readonly signal: AbortSignal; leave(): void } {
    const client = req.socket.remoteAddress ?? '';
    const ofClient = this.#clients.get(client) ?? 0;
    if (this.#isClosed) throw busy('this server is shutting down');
    if (ofClient >= this.#ofClientMax)
      throw busy(
        `${client} has ${ofClient} streams, the most of one address: several tasks fit into one stream (task=)`,
        429,
      );
    if (this.#open.size >= this.#max) throw busy(`there are ${this.#max} streams, the most of this server`);
    const controller = new AbortController();
    this.#open.add(controller);
    this.#clients.set(client, ofClient + 1);
    let isLeft = false;
    return {
      signal: controller.signal,
      leave: () => {
        if (isLeft) return;
        isLeft = true;
        this.#open.delete(controller);
        const left = (this.#clients.get(client) ?? 1) - 1;
        if (left > 0) this.#clients.set(client, left);
        else this.#clients.delete(client);
      },
    };
  }

  /** Ends all streams. Their readers come again, to another process. */
  close(): void {
    this.#isClosed = true;
    for (const controller of this.#open) controller.abort();
  }
}

function busy(message: string, status?: number): ProblemError {
  const problem = status === undefined ? {} : { status };
  return new ProblemError('ERR_BUSY', message, { retryable: true, problem });
}
