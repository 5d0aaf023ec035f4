/** Key of whoever writes the files, this process or another. */
export const HOLDER = 'holder';

/** The settings that say where records go. */
export interface DestinationSettings {
  /** False: this process only sends. */
  readonly store: boolean;
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly otlpEndpoint: string | undefined;
}

/**
 * Keys of the destinations that get what is recorded under these settings, as journals and cursors name them. A pure
 * producer that has an endpoint needs no holder.
 */
export function destinationsOf({ store, otlpEndpoint }: DestinationSettings): readonly string[] {
  const endpoint = otlpEndpoint === undefined ? [] : [endpointKey(otlpEndpoint)];
  return store || endpoint.length === 0 ? [HOLDER, ...endpoint] : endpoint;
}

/** Written into the journal: without a password that the URL may carry. */
function endpointKey(endpoint: string): string {
  const url = new URL(endpoint);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
