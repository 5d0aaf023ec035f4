import { diag } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import { OTLPExporterError } from '@opentelemetry/otlp-exporter-base';
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from '@opentelemetry/otlp-exporter-base/node-http';
import { messageOf } from '../errors.ts';
import { resultOfBody, resultOfStatus, type SendResult, type Signal, type Transport } from './transport.ts';

type Delegate = ReturnType<typeof createOtlpHttpExportDelegate<Uint8Array, SendResult>>;

/** The exporters' own metrics are off: the books count what was sent. */
const UNCOUNTED: Parameters<typeof createOtlpHttpExportDelegate<Uint8Array, SendResult>>[3] = {
  name: 'span',
  countItems: () => 1,
};

/**
 * To `OTEL_EXPORTER_OTLP_ENDPOINT`, over the standard exporters' own transport: headers, TLS, compression and timeout
 * come from `OTEL_EXPORTER_OTLP_*`, also per signal, exactly as documented there.
 */
export class EndpointTransport implements Transport {
  readonly #delegates: Record<Signal, Delegate>;
  #answer: SendResult | undefined;

  constructor() {
    this.#delegates = { logs: this.#delegate('logs'), traces: this.#delegate('traces') };
  }

  async send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    this.#answer = undefined;
    return new Promise((resolve) => {
      this.#delegates[signal].export(body, ({ code, error }) => {
        if (code === ExportResultCode.SUCCESS) resolve(this.#answer ?? { kind: 'taken', rejected: 0 });
        else resolve(resultOfError(error));
      });
    });
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#delegates).map((delegate) => delegate.shutdown()));
  }

  #delegate(signal: Signal): Delegate {
    const options = convertLegacyHttpOptions({}, signal.toUpperCase(), `v1/${signal}`, {
      'Content-Type': 'application/json',
    });
    // The journal's entries are OTLP/JSON already: there is nothing to serialize.
    const serializer = {
      serializeRequest: (body: Uint8Array) => body,
      deserializeResponse: (body: Uint8Array) => {
        this.#answer = resultOfBody(Buffer.from(body).toString('utf8'));
        return this.#answer;
      },
    };
    return createOtlpHttpExportDelegate(options, serializer, `otlp_http_${signal}`, UNCOUNTED, undefined);
  }
}

function resultOfError(error: Error | undefined): SendResult {
  if (error instanceof OTLPExporterError && error.code !== undefined) {
    return resultOfStatus(error.code, error.data ?? error.message);
  }
  diag.debug('tasktrail: sending failed', error);
  return { kind: 'retry', reason: messageOf(error ?? 'unknown error') };
}
