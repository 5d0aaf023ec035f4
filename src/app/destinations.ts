import type { Books } from '../books.ts';
import type { Config } from '../config.ts';
import { EndpointTransport } from '../export/endpoint-transport.ts';
import { HolderTransport } from '../export/holder-transport.ts';
import { Sender } from '../export/sender.ts';
import type { Journal } from '../journal/journal.ts';
import { findHolder } from '../store/lock.ts';

/** Key of whoever writes the files, this process or another. */
export const HOLDER = 'holder';

/** The holder is on this machine: ask often, it is cheap and its absence short. */
const HOLDER_RETRY_MAX_MS = 1_000;

/** An endpoint may be away for hours and belong to many: ask every half minute. */
const ENDPOINT_RETRY_MAX_MS = 30_000;

/** Keys of the destinations of this process. A pure producer that has an endpoint needs no holder. */
export function destinationsOf(config: Config): readonly string[] {
  const endpoint = config.otlpEndpoint === undefined ? [] : [endpointKey(config.otlpEndpoint)];
  return config.store || endpoint.length === 0 ? [HOLDER, ...endpoint] : endpoint;
}

export function createSenders(config: Config, journal: Journal, books: Books): readonly Sender[] {
  return destinationsOf(config).map((destination) => {
    const isHolder = destination === HOLDER;
    const transport = isHolder
      ? new HolderTransport({
          locate: async () => (await findHolder(config.logDir))?.otlp_url ?? undefined,
          ...(config.apiToken !== undefined && { token: config.apiToken }),
        })
      : new EndpointTransport();
    const retryMaxMs = isHolder ? HOLDER_RETRY_MAX_MS : ENDPOINT_RETRY_MAX_MS;
    return new Sender({ destination, transport, journal, books, retryMaxMs });
  });
}

/** Written into the journal: without a password that the URL may carry. */
function endpointKey(endpoint: string): string {
  const url = new URL(endpoint);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
