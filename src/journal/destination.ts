/** Destination key of the holder: the process that writes the files, which may be this one. */
export const HOLDER = 'holder';

/** The settings that say where records go. */
export interface DestinationSettings {
  /** False: the records are only exported. */
  readonly store: boolean;
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly otlpEndpoint: string | undefined;
}

/**
 * Destination keys for these settings, as journals and cursors name them. A process that does not store and has an
 * endpoint needs no holder.
 */
export function destinationsOf({ store, otlpEndpoint }: DestinationSettings): readonly string[] {
  const endpoint = otlpEndpoint === undefined ? [] : [endpointKey(otlpEndpoint)];
  return store || endpoint.length === 0 ? [HOLDER, ...endpoint] : endpoint;
}

/** The key is written into the journal, so it leaves out credentials in the URL. */
function endpointKey(endpoint: string): string {
  const url = new URL(endpoint);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
