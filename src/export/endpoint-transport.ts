import { type Agent as HttpAgent, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { getStringFromEnv } from '@opentelemetry/core';
import { convertLegacyHttpOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import { messageOf } from '../errors.ts';
import { encodeProtobuf } from './encode-protobuf.ts';
import { post } from './post.ts';
import { MALFORMED, type SendResult, type Signal, type Transport } from './transport.ts';

/** `OTEL_EXPORTER_OTLP_PROTOCOL`. */
export type Protocol = 'http/json' | 'http/protobuf';

/** Settings of one signal from `OTEL_EXPORTER_OTLP_*`: URL, headers, TLS, compression, timeout, protocol. */
export interface EndpointSettings extends ReturnType<typeof convertLegacyHttpOptions> {
  readonly protocol: Protocol;
}

/** Headers and body of a request as it is sent. */
export interface DressedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const compress = promisify(gzip);

const CONTENT_TYPES: Readonly<Record<Protocol, string>> = {
  'http/json': 'application/json',
  'http/protobuf': 'application/x-protobuf',
};

/**
 * Requests without records. Not the empty message: in protobuf it has no bytes, which some servers take for a missing
 * body.
 */
const PROBES: Readonly<Record<Signal, Buffer>> = {
  logs: Buffer.from('{"resourceLogs":[{"resource":{}}]}'),
  traces: Buffer.from('{"resourceSpans":[{"resource":{}}]}'),
};

/**
 * Sends to `OTEL_EXPORTER_OTLP_ENDPOINT`. The package of the standard exporters reads the settings, also per signal.
 * Its own delegate is not used: it retries for ten seconds and hides `Retry-After`, and the journal's sender retries
 * already.
 */
export class EndpointTransport implements Transport {
  readonly #settings: Record<Signal, EndpointSettings>;
  readonly #agents = new Map<Signal, HttpAgent>();

  readonly #token: string | undefined;
  #isTokenAsked = false;
  /** Whether the endpoint was given the time to ask. */
  #isGreeted = false;

  /**
   * `token` is that of the log directory. It is sent only where the settings have no `Authorization` header, and only after
   * the endpoint has asked for it: a receiver of tasktrail does. A request without records gives it the time: what it took
   * without the token would count as that of a stranger.
   */
  constructor({ token }: { readonly token?: string | undefined } = {}) {
    this.#token = token;
    this.#settings = { logs: endpointSettings('logs'), traces: endpointSettings('traces') };
  }

  async send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    if (this.#token !== undefined && !this.#isGreeted) {
      const greeting = await this.#send(signal, PROBES[signal]);
      if (greeting.kind === 'retry') return greeting;
      this.#isGreeted = true;
      if ('asksForToken' in greeting) this.#isTokenAsked = true;
    }
    const result = await this.#send(signal, body);
    const isAsked = 'asksForToken' in result && !this.#isTokenAsked;
    if (!isAsked || this.#token === undefined) return result;
    this.#isTokenAsked = true;
    // What was accepted already falls to its ids.
    return this.#send(signal, body);
  }

  async #send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    const settings = this.#settings[signal];
    let encoded: Uint8Array;
    try {
      encoded = settings.protocol === 'http/protobuf' ? encodeProtobuf(signal, body) : body;
    } catch (error) {
      // A damaged line of the journal, or a value that OTLP does not have.
      return { kind: 'refused', status: MALFORMED, reason: `cannot be encoded: ${messageOf(error)}` };
    }
    try {
      const { url, timeoutMillis } = settings;
      const { headers, body: dressed } = await dressRequest(settings, encoded);
      return await post(dressed, {
        url,
        request: url.startsWith('https:') ? requestHttps : requestHttp,
        agent: await this.#agent(signal),
        headers: this.#isTokenAsked ? withToken(headers, this.#token) : headers,
        timeoutMs: timeoutMillis,
      });
    } catch (error) {
      // A certificate file cannot be read or a header is invalid. The setting may be repaired, so the request is
      // retried.
      return { kind: 'retry', reason: messageOf(error) };
    }
  }

  probe(signal: Signal): Promise<SendResult> {
    return this.send(signal, PROBES[signal]);
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

/** A header of the settings stays. */
function withToken(headers: DressedRequest['headers'], token: string | undefined): DressedRequest['headers'] {
  const isGiven = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  return token === undefined || isGiven ? headers : { ...headers, Authorization: `Bearer ${token}` };
}

/** Reads the environment. Throws the error of the standard exporters' package for an invalid setting. */
export function endpointSettings(signal: Signal | 'metrics'): EndpointSettings {
  const protocol = protocolOf(signal);
  const required = { 'Content-Type': CONTENT_TYPES[protocol] };
  const settings = convertLegacyHttpOptions({}, signal.toUpperCase(), `v1/${signal}`, required);
  return { ...settings, protocol };
}

/** Of the signal, else of all, else the default of the specification. `config` refuses other values. */
function protocolOf(signal: Signal | 'metrics'): Protocol {
  const given =
    getStringFromEnv(`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_PROTOCOL`) ??
    getStringFromEnv('OTEL_EXPORTER_OTLP_PROTOCOL');
  return given?.trim() === 'http/json' ? 'http/json' : 'http/protobuf';
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
