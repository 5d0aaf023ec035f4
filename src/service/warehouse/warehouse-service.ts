import { Books } from '../../books.ts';
import type { Config } from '../../config/config.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import { type Receiver, startReceiver } from '../../receive/server.ts';
import type { Sink } from '../../receive/sink.ts';
import { setRedactRules } from '../../redact/redact.ts';
import type { Reader } from '../../serve/reader.ts';
import { closeAll } from '../../system/closers.ts';
import { KnownSecrets, secretsOf } from '../../trail/config-secrets.ts';
import { partialReader } from '../../trail/search/partial-reader.ts';
import { openWarehouseIndex } from '../../trail/search/warehouse-index.ts';
import { warehouseReader } from '../../trail/search/warehouse-reader.ts';
import { VictoriaLogs } from '../../warehouse/client.ts';
import { RowSink } from '../../warehouse/write/row-sink.ts';
import { type HttpService, listen } from '../listen.ts';
import { ReasonLines } from '../reason-lines.ts';
import { ServiceMetrics } from '../service-metrics.ts';
import { startTelemetry } from '../telemetry.ts';
import { type CreateExpress, loadExpress, mountReading } from '../web-app.ts';
import { openForwarding } from './forwarding.ts';
import { countDeliveries } from './lease/counted-ends.ts';
import { openOnceOnly, placeOfLease } from './lease/once-only.ts';
import { STORE } from './row-journal.ts';
import { StoreWatch } from './store-watch.ts';
import { openTaskDoors, type TaskDoors } from './task-doors.ts';

/** Milliseconds for requests in flight at shutdown: of REST, then of the receiver. */
const HTTP_DEADLINE_MS = 1_000;
const RECEIVER_DEADLINE_MS = 4_000;

/** Milliseconds for what waits for an endpoint. */
const FORWARD_DEADLINE_MS = 2_000;

/** Receiver, REST and page over a VictoriaLogs. Holds no directory: any number may share one VictoriaLogs. */
export interface WarehouseService {
  readonly config: Config;
  readonly books: Books;
  /** The VictoriaLogs, without a password. */
  readonly store: string;
  readonly url: string;
  readonly otlpUrl: string;
  /** Never rejects; safe to call twice. */
  stop(): Promise<void>;
}

export interface WarehouseServiceOptions {
  log(line: string): void;
}

/**
 * Starts the service. Throws `ERR_STORE_UNAVAILABLE` when VictoriaLogs cannot be reached, `ERR_PORT_IN_USE`,
 * `ERR_NOT_CONFIGURED` without Express, and what `openTaskDoors` throws.
 */
export async function startWarehouseService(
  config: Config,
  { log }: WarehouseServiceOptions,
): Promise<WarehouseService> {
  const { storeUrl } = config;
  if (storeUrl === undefined)
    throw new TasktrailError('ERR_CONFIG_INVALID', 'TASK_LOGS_STORE_URL is not set');
  const logs = new VictoriaLogs(storeUrl);
  await check(logs);
  const createExpress = await loadExpress('tasktrail serve --store');
  // Masks in what others send.
  new KnownSecrets(secretsOf(config));
  setRedactRules(config.redactRules);
  const books = new Books();
  const metrics = new ServiceMetrics(config);
  const telemetry = startTelemetry(metrics);
  const closers: (() => Promise<void>)[] = [() => telemetry.shutdown()];
  try {
    const trailMetrics = metrics.startTrail();
    trailMetrics.watchProcess(books);
    metrics.attach(books);
    const reasonLines = new ReasonLines({ books, log });
    closers.unshift(async () => reasonLines.close());
    const forwarding = await openForwarding(config, books);
    closers.unshift(() => forwarding.close(FORWARD_DEADLINE_MS));
    books.setDestinations([STORE, ...forwarding.destinations]);
    const once = await openOnceOnly({
      ...{ config: { ...config, storeUrl }, logs, books, metrics, trailMetrics, forwarding, log },
    });
    closers.unshift(() => once.close());
    const onDelivery = countDeliveries(trailMetrics);
    const sink = once.start(new RowSink({ logs, books, log, onDelivery, onHeartbeats: once.onHeartbeats }));
    const receiver = await openReceiver(config, sink);
    closers.unshift(() => receiver.close(RECEIVER_DEADLINE_MS));
    const index = await openWarehouseIndex(storeUrl, { books });
    closers.unshift(() => index.close());
    const whole = warehouseReader({ logs, index, shared: once.shared });
    const doors = await openTaskDoors({
      ...{ config, storeUrl, books, reader: whole, metrics, once, forwarding, onDelivery, log },
    });
    closers.unshift(() => doors.close());
    const reader = partialReader({
      whole,
      openPartial: () =>
        warehouseReader({
          logs: new VictoriaLogs(storeUrl, { isPartial: true }),
          shared: once.shared,
        }),
      onPart: (problem) => books.setNotice('store', problem),
    });
    const { tenant } = placeOfLease(storeUrl);
    const watch = new StoreWatch({ storeUrl, tenant, books, index, once });
    closers.unshift(async () => watch.close());
    watch.start();
    const { server, closeStreams } = await openHttp({
      ...{ config, createExpress, doors, books, metrics, watch, log },
      reader: { ...reader, ...once.lists },
    });
    closers.unshift(async () => {
      closeStreams();
      await server.close(HTTP_DEADLINE_MS);
    });
    let stopping: Promise<void> | undefined;
    return {
      config,
      books,
      store: logs.name,
      url: server.url,
      otlpUrl: receiver.url,
      stop: () => {
        stopping ??= closeAll(closers, log);
        return stopping;
      },
    };
  } catch (error) {
    await closeAll(closers, log);
    throw error;
  }
}

/** At the start only: later the answers say that it is away. */
async function check(logs: VictoriaLogs): Promise<void> {
  try {
    await logs.check();
  } catch (error) {
    throw new TasktrailError('ERR_STORE_UNAVAILABLE', `TASK_LOGS_STORE_URL: ${messageOf(error)}`, {
      retryable: true,
      cause: error,
    });
  }
}

function openReceiver(config: Config, sink: Sink): Promise<Receiver> {
  const { otlpHost: host, otlpPort: port, corsOrigins, apiToken, key } = config;
  return startReceiver({ host, port, corsOrigins, sink, secrets: { apiToken, key } });
}

interface HttpParts {
  readonly config: Config;
  readonly createExpress: CreateExpress;
  readonly reader: Reader;
  readonly doors: TaskDoors;
  readonly books: Books;
  readonly metrics: ServiceMetrics;
  readonly watch: StoreWatch;
  log(line: string): void;
}

async function openHttp({
  config,
  createExpress,
  reader,
  doors,
  books,
  metrics,
  watch,
  log,
}: HttpParts): Promise<{ readonly server: HttpService; closeStreams(): void }> {
  const app = createExpress();
  app.disable('x-powered-by');
  app.use('/webhooks', doors.webhooks);
  const { intake, readState } = doors;
  const { closeStreams } = mountReading(app, {
    ...{ config, books, reader, intake, log },
    readState: async () => {
      const [state, store] = await Promise.all([readState(), watch.read()]);
      return { ...state, store };
    },
    knownState: () => ({ store: watch.known() }),
    readMetrics: () => metrics.readText(),
  });
  return { server: await listen(app, config), closeStreams };
}
