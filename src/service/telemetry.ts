import { setTimeout as delay } from 'node:timers/promises';
import { context, DiagConsoleLogger, diag, metrics, trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { diagLogLevelFromString, getBooleanFromEnv, getStringFromEnv } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { type IMetricReader, MeterProvider } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { idGenerator, logRecordProcessor, spanProcessor } from '../export/otel-recorder.ts';

/** Milliseconds for the last push of metrics. The next process starts its counters at zero, so little is lost. */
const SHUTDOWN_MS = 1_000;

export interface TelemetryOptions {
  readonly resource: Resource;
  readonly readers: IMetricReader[];
}

export interface Telemetry {
  /** Flushes and closes the providers; resolves after one second even if an endpoint does not answer. */
  shutdown(): Promise<void>;
}

/**
 * Registers the global providers of the service. They have no exporters of their own for spans and logs: the processors
 * write to the journal. `NodeSDK` would do the same, and brings gRPC and every exporter into each installation.
 * `OTEL_SDK_DISABLED=true` registers nothing; `OTEL_LOG_LEVEL` prints the SDK's own diagnostics.
 */
export function startTelemetry({ resource, readers }: TelemetryOptions): Telemetry {
  const logLevel = getStringFromEnv('OTEL_LOG_LEVEL');
  if (logLevel !== undefined) diag.setLogger(new DiagConsoleLogger(), diagLogLevelFromString(logLevel));
  if (getBooleanFromEnv('OTEL_SDK_DISABLED')) return { shutdown: async () => {} };
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const meters = new MeterProvider({ resource, readers });
  metrics.setGlobalMeterProvider(meters);
  // Instrumentation that is loaded with `node --import` starts spans and emits log records through these two.
  const tracers = new BasicTracerProvider({
    resource,
    idGenerator: idGenerator(),
    spanProcessors: [spanProcessor()],
  });
  trace.setGlobalTracerProvider(tracers);
  const loggers = new LoggerProvider({ resource, processors: [logRecordProcessor()] });
  logs.setGlobalLoggerProvider(loggers);
  return { shutdown: () => shutDown([tracers, loggers, meters]) };
}

async function shutDown(providers: readonly { shutdown(): Promise<void> }[]): Promise<void> {
  const closed = Promise.all(providers.map((provider) => provider.shutdown()));
  // Prevents an unhandled rejection after the deadline. An earlier failure rejects the race below.
  closed.catch(() => {});
  await Promise.race([closed, delay(SHUTDOWN_MS, undefined, { ref: false })]);
}
