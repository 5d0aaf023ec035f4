import { Agent, request } from 'node:http';
import { messageOf } from '../errors.ts';
import { post } from './post.ts';
import type { SendResult, Signal, Transport } from './transport.ts';

/**
 * Longer than writing a batch to a slow disk takes. A request without an answer is sent again; record ids make a
 * repeat harmless.
 */
const ANSWER_TIMEOUT_MS = 15_000;

/**
 * Refusals of the holder that are final. Any other comes from a server that is not the holder (another program uses its
 * port) or does not know our token (yet).
 */
const FINAL: ReadonlySet<number> = new Set([400, 500]);

export interface HolderTransportOptions {
  /** Base URL of the holder; undefined when no process holds the log directory. */
  locate(): Promise<string | undefined>;
  readonly token?: string;
}

/** Sends to the holder on loopback, which may be this process. Its address is looked up again after each failure. */
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
          'no process holds the log directory: run tasktrail start, or any program that records there, to store the waiting records',
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
    // The records are for the holder alone, so they wait for it: another server must not make the sender drop them.
    const isForeign =
      result.kind === 'unsupported' || (result.kind === 'refused' && !FINAL.has(result.status));
    return isForeign ? { kind: 'retry', reason: `status ${result.status}` } : result;
  }
}
