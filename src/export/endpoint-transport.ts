import { type Agent as HttpAgent, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { convertLegacyHttpOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import { messageOf } from '../errors.ts';
import { post } from './post.ts';
import type { SendResult, Signal, Transport } from './transport.ts';

type Settings = ReturnType<typeof convertLegacyHttpOptions>;

const compress = promisify(gzip);

/**
 * To `OTEL_EXPORTER_OTLP_ENDPOINT`: where, headers, TLS, compression and timeout come from `OTEL_EXPORTER_OTLP_*`, also
 * per signal, read by the standard exporters' own package. Its delegate is not used: it tries again by itself for ten
 * seconds and keeps `Retry-After` to itself, and the journal is the one that tries again.
 */
export class EndpointTransport implements Transport {
  readonly #settings: Record<Signal, Settings>;
  readonly #agents = new Map<Signal, HttpAgent>();

  constructor() {
    this.#settings = { logs: settingsOf('logs'), traces: settingsOf('traces') };
  }

  async send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    const { url, compression, timeoutMillis, userAgent } = this.#settings[signal];
    try {
      const headers = { ...(await this.#settings[signal].headers()) };
      if (userAgent !== undefined) headers['User-Agent'] = userAgent;
      if (compression === 'gzip') headers['Content-Encoding'] = 'gzip';
      return await post(compression === 'gzip' ? await compress(body) : body, {
        url,
        request: url.startsWith('https:') ? requestHttps : requestHttp,
        agent: await this.#agent(signal),
        headers,
        timeoutMs: timeoutMillis,
      });
    } catch (error) {
      // A certificate file that cannot be read, a header that is none: later, perhaps, and visibly until then.
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

function settingsOf(signal: Signal): Settings {
  return convertLegacyHttpOptions({}, signal.toUpperCase(), `v1/${signal}`, {
    'Content-Type': 'application/json',
  });
}
