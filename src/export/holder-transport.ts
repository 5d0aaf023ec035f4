import { Agent, request } from 'node:http';
import { messageOf } from '../errors.ts';
import { resultOfBody, resultOfStatus, type SendResult, type Signal, type Transport } from './transport.ts';

/** Longer than any write of a batch to a slow disk; a holder that hangs is asked again, and ids make it harmless. */
const ANSWER_TIMEOUT_MS = 15_000;

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
    this.#url ??= await this.#options.locate();
    if (this.#url === undefined) return { kind: 'retry', reason: 'no process holds the log directory' };
    const result = await this.#post(`${this.#url}/v1/${signal}`, body);
    if (result.kind === 'retry') this.#url = undefined;
    return result;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  #post(url: string, body: Uint8Array): Promise<SendResult> {
    const { token } = this.#options;
    return new Promise((resolve) => {
      const headers = {
        'content-type': 'application/json',
        'content-length': body.byteLength,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      const retry = (error: unknown): void => resolve({ kind: 'retry', reason: messageOf(error) });
      const req = request(
        url,
        { method: 'POST', agent: this.#agent, headers, timeout: ANSWER_TIMEOUT_MS },
        (res) => {
          const chunks: Buffer[] = [];
          res.on('data', (chunk: Buffer) => chunks.push(chunk));
          res.on('error', retry);
          res.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            const status = res.statusCode ?? 0;
            resolve(status === 200 ? resultOfBody(text) : resultOfStatus(status, text));
          });
        },
      );
      req.on('timeout', () => req.destroy(new Error('the holder did not answer in time')));
      req.on('error', retry);
      req.end(body);
    });
  }
}
