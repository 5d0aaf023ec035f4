import { Agent, request } from 'node:http';
import { messageOf } from '../errors.ts';
import { post } from './post.ts';
import type { SendResult, Signal, Transport } from './transport.ts';

/** Longer than any write of a batch to a slow disk; a holder that hangs is asked again, and ids make it harmless. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Answers of somebody who is not our holder (its port was taken over), or does not know our token (yet). */
const STRANGER = new Set([401, 403, 404, 405]);

export interface HolderTransportOptions {
  /** Base URL of the process that holds the log directory, or undefined while there is none. */
  locate(): Promise<string | undefined>;
  readonly token?: string;
}

/** To the holder on loopback, this process included. Where it listens is asked anew after each failure. */
export class HolderTransport implements Transport {
  readonly #options: HolderTransportOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2 });
  #url: string | undefined;

  constructor(options: HolderTransportOptions) {
    this.#options = options;
  }

  async send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    const result = await this.#send(signal, body);
    if (result.kind === 'retry') this.#url = undefined;
    return result;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  async #send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    try {
      this.#url ??= await this.#options.locate();
    } catch (error) {
      return { kind: 'retry', reason: `cannot find the holder: ${messageOf(error)}` };
    }
    if (this.#url === undefined)
      return {
        kind: 'retry',
        reason:
          'no process holds the log directory: tasktrail start, or any program that records there, stores what waits',
      };
    const { token } = this.#options;
    const result = await post(body, {
      url: `${this.#url}/v1/${signal}`,
      request,
      agent: this.#agent,
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
    // The records are for the holder alone: they wait for it instead of being dropped at a stranger's word.
    if ((result.kind === 'refused' || result.kind === 'unsupported') && STRANGER.has(result.status)) {
      return { kind: 'retry', reason: `status ${result.status}` };
    }
    return result;
  }
}
