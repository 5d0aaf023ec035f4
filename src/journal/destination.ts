/** Destination key of the holder: the process that writes the files, which may be this one. */
export const HOLDER = 'holder';

/** The settings that say where records go. */
export interface DestinationSettings {
  /** False: the records are only exported. */
  readonly store: boolean;
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly otlpEndpoint: string | undefined;
  /** `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`: instead of the common one for spans. */
  readonly otlpTracesEndpoint?: string | undefined;
  /** `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`: instead of the common one for log records. */
  readonly otlpLogsEndpoint?: string | undefined;
}

export interface Endpoint {
  /** Destination key, as journals and cursors name it. */
  readonly key: string;
  readonly signals: ReadonlySet<'logs' | 'traces'>;
}

/**
 * The endpoints for these settings, each a destination of its own: one that is away delays only its own signals.
 */
export function endpointsOf(settings: DestinationSettings): readonly Endpoint[] {
  const { otlpEndpoint, otlpTracesEndpoint, otlpLogsEndpoint } = settings;
  const urls = { traces: otlpTracesEndpoint ?? otlpEndpoint, logs: otlpLogsEndpoint ?? otlpEndpoint };
  const endpoints = new Map<string, Set<'logs' | 'traces'>>();
  for (const signal of ['traces', 'logs'] as const) {
    const url = urls[signal];
    if (url === undefined) continue;
    const key = endpointKey(url);
    endpoints.set(key, (endpoints.get(key) ?? new Set()).add(signal));
  }
  return [...endpoints].map(([key, signals]) => ({ key, signals }));
}

/**
 * Destination keys for these settings, as journals and cursors name them. A process that does not store and has
 * endpoints for both signals needs no holder.
 */
export function destinationsOf(settings: DestinationSettings): readonly string[] {
  const endpoints = endpointsOf(settings);
  const isSent = (signal: 'logs' | 'traces'): boolean => endpoints.some(({ signals }) => signals.has(signal));
  const needsHolder = settings.store || !isSent('logs') || !isSent('traces');
  return [...(needsHolder ? [HOLDER] : []), ...endpoints.map(({ key }) => key)];
}

/** The key is written into the journal, so it leaves out credentials in the URL. */
function endpointKey(endpoint: string): string {
  const url = new URL(endpoint);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
