import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import {
  type HolderAddress,
  HolderTransport,
  type HolderTransportOptions,
} from '../export/holder-transport.ts';
import { Sender, type SenderBooks, type SenderQueue } from '../export/sender.ts';
import { destinationsOf, endpointsOf, HOLDER } from '../journal/destination.ts';
import type { Journal } from '../journal/journal.ts';
import { trailTokenOf } from '../model/trail-token.ts';
import { proveHolder } from '../store/proven-holder.ts';

export { destinationsOf, endpointsOf, HOLDER };

/** Longest pause between retries in milliseconds. The holder is on this machine and restarts within seconds. */
const HOLDER_RETRY_MAX_MS = 1_000;

/**
 * Records of one request to the holder. Only a backlog has so many at once: its syncs, cursors and proofs of the address are a
 * quarter of those with the 512 that an endpoint gets. The receiver reads them in slices.
 */
const HOLDER_RECORDS_MAX = 2_048;

/** Longest pause between retries in milliseconds. An endpoint may be away for hours, and many senders share it. */
const ENDPOINT_RETRY_MAX_MS = 30_000;

interface SharedParts {
  readonly journal: Journal;
  readonly books: Books;
  /** The store of this process, when it holds the directory. */
  readonly take?: HolderTransportOptions['take'];
}

export async function createSenders(
  config: Config,
  { take, ...shared }: SharedParts,
): Promise<readonly Sender[]> {
  const endpoints = await createEndpointSenders(config, shared);
  if (!destinationsOf(config).includes(HOLDER)) return endpoints;
  const transport = new HolderTransport({
    locate: () => locateHolder(config),
    ...(take !== undefined && { take }),
  });
  return [
    new Sender({
      ...shared,
      destination: HOLDER,
      transport,
      recordsMax: HOLDER_RECORDS_MAX,
      retryMaxMs: HOLDER_RETRY_MAX_MS,
      // It asks for 5 seconds while its disk is full. On one machine a look each second costs nothing.
      obeysRetryAfter: false,
    }),
    ...endpoints,
  ];
}

/** Those of `OTEL_EXPORTER_OTLP_ENDPOINT` and its kin. */
export async function createEndpointSenders(
  config: Config,
  shared: { readonly journal: SenderQueue; readonly books: SenderBooks },
): Promise<readonly Sender[]> {
  const endpoints: Sender[] = [];
  for (const { key, signals } of endpointsOf(config)) {
    // OpenTelemetry's packages for exporters: loaded only when there is an endpoint.
    const { EndpointTransport } = await import('../export/endpoint-transport.ts');
    const transport = new EndpointTransport({ token: tokenForEndpoints(config) });
    const more = { destination: key, signals, transport, retryMaxMs: ENDPOINT_RETRY_MAX_MS };
    endpoints.push(new Sender({ ...shared, ...more }));
  }
  return endpoints;
}

async function locateHolder({ logDir, key }: Config): Promise<HolderAddress | undefined> {
  const proof = await proveHolder(logDir, key);
  if (proof.state === 'absent') return undefined;
  if (proof.state === 'unproven') return { refusal: `records wait: ${proof.reason}` };
  const { otlp_url: url } = proof.holder;
  return url === null ? undefined : { url, token: proof.token };
}

const ENDPOINTS = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
] as const;

/**
 * Machines that share TASK_LOGS_KEY send to the holder with its token. Not to an endpoint that a `.env` file names alone: that
 * of a checkout may name any port of this machine.
 */
function tokenForEndpoints({ key, sources }: Config): string | undefined {
  const isFromFile = (name: string): boolean => sources[name] === 'env file';
  if (key === undefined || (ENDPOINTS.some(isFromFile) && !isFromFile('TASK_LOGS_KEY'))) return undefined;
  return trailTokenOf(key);
}
