import { type Agent as HttpAgent, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { convertLegacyHttpOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import { messageOf } from '../errors.ts';
import { post } from './post.ts';
import type { SendResult, Signal, Transport } from './transport.ts';

/** Settings of one signal from `OTEL_EXPORTER_OTLP_*`: URL, headers, TLS, compression, timeout. */
export type EndpointSettings = ReturnType<typeof convertLegacyHttpOptions>;

/** Headers and body of a request as it is sent. */
export interface DressedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const compress = promisify(gzip);

/**
 * Sends to `OTEL_EXPORTER_OTLP_ENDPOINT`. The package of the standard exporters reads the settings, also per signal.
 * Its own delegate is not used: it retries for ten seconds and hides `Retry-After`, and the journal's sender retries
 * already.
 */
export class EndpointTransport implements Transport {
  readonly #settings: Record<Signal, EndpointSettings>;
  readonly #agents = new Map<Signal, HttpAgent>();

  constructor() {
    this.#settings = { logs: endpointSettings('logs'), traces: endpointSettings('traces') };
  }

  async send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    const { url, timeoutMillis } = this.#settings[signal];
    try {
      const { headers, body: dressed } = await dressRequest(this.#settings[signal], body);
      return await post(dressed, {
        url,
        request: url.startsWith('https:') ? requestHttps : requestHttp,
        agent: await this.#agent(signal),
        headers,
        timeoutMs: timeoutMillis,
      });
    } catch (error) {
      // A certificate file cannot be read or a header is invalid. The setting may be repaired, so the request is
      // retried.
      return { kind: 'retry', reason: messageOf(error) };
    }
  }

  async close(): Promise<void> {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  async #agent(signal: Signal): Promise<HttpAgent> {
    const { agentFactory, url } = this.#settings[signal];
    let agent = this.#agents.get(signal);
    if (agent === undefined) {
      agent = await agentFactory(new URL(url).protocol);
      this.#agents.set(signal, agent);
    }
    return agent;
  }
}

/** Reads the environment. Throws the error of the standard exporters' package for an invalid setting. */
export function endpointSettings(signal: Signal | 'metrics'): EndpointSettings {
  return convertLegacyHttpOptions({}, signal.toUpperCase(), `v1/${signal}`, {
    'Content-Type': 'application/json',
  });
}

export async function dressRequest(
  { headers, userAgent, compression }: EndpointSettings,
  body: Uint8Array,
): Promise<DressedRequest> {
  const dressed = { ...(await headers()) };
  if (userAgent !== undefined) dressed['User-Agent'] = userAgent;
  if (compression !== 'gzip') return { headers: dressed, body };
  return { headers: { ...dressed, 'Content-Encoding': 'gzip' }, body: await compress(body) };
}
