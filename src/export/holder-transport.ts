import { Agent, request } from 'node:http';
import { messageOf } from '../errors.ts';
import type { BatchEntry } from '../journal/segment-reader.ts';
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

const NO_HOLDER =
  'no process holds the log directory: run tasktrail start, or any program that records there, to store the waiting records';

/** Address of the holder, and the token that proves this process to it; or why nothing may be sent to it. */
export type HolderAddress = { readonly url: string; readonly token?: string } | { readonly refusal: string };

export interface HolderTransportOptions {
  /** Finds the holder and proves that the address is its own. Undefined when no process holds the log directory. */
  locate(): Promise<HolderAddress | undefined>;
  /** Where this process is the holder: its store. Undefined where the records have to be sent. */
  take?(entries: readonly BatchEntry[]): Promise<SendResult> | undefined;
}

/**
 * Sends to the holder on loopback, or passes records to the store of this process. The address is proven again for each request: after the end
 * of the holder another process may have its port, and must not get the token.
 */
export class HolderTransport implements Transport {
  readonly #options: HolderTransportOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2 });

  constructor(options: HolderTransportOptions) {
    this.#options = options;
  }

  take(entries: readonly BatchEntry[]): Promise<SendResult> | undefined {
    return this.#options.take?.(entries);
  }

  async send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    let holder: HolderAddress | undefined;
    try {
      holder = await this.#options.locate();
    } catch (error) {
      return { kind: 'retry', reason: `cannot find the holder: ${messageOf(error)}` };
    }
    if (holder === undefined) return { kind: 'retry', reason: NO_HOLDER };
    if ('refusal' in holder) return { kind: 'retry', reason: holder.refusal };
    return this.#post(`${holder.url}/v1/${signal}`, body, holder.token);
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  async #post(url: string, body: Uint8Array, token: string | undefined): Promise<SendResult> {
    const result = await post(body, {
      url,
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
