import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freeAddress } from '../support/free-port.ts';
import { answersOk, ServerProcess } from '../support/server-process.ts';
import { findTool, pathOf } from '../support/tool.ts';

export interface CollectorOptions {
  /** Default: collector/config.yaml. */
  readonly config?: string;
  /** Files beside it. */
  readonly overlays?: readonly string[];
  /** Which build. Default: the one for collector/config.yaml. */
  readonly tool?: 'collector' | 'overlays';
  /** Environment variables of the configuration, such as the addresses of tasktrail, Jaeger and S3. */
  readonly env?: Readonly<Record<string, string>>;
  /** Overrides of configuration values, by path: `{ 'exporters::awss3::timeout': '1s' }`. */
  readonly set?: Readonly<Record<string, string>>;
}

/** A collector process. It keeps its ports and queues when it is killed and restarted. */
export interface Collector {
  readonly server: ServerProcess;
  /** OTLP over HTTP, for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** OTLP over gRPC, as host:port. */
  readonly grpc: string;
  /** Metrics of the `prometheus` exporters and of the collector itself, as host:port. */
  readonly exporter: string;
  readonly stagesExporter: string;
  readonly ownMetrics: string;
  /** COLLECTOR_DATA, the directory of queues and archive. */
  readonly data: string;
}

const CONFIG: string = resolve(import.meta.dirname, '../../collector/config.yaml');

export async function startCollector(options: CollectorOptions = {}): Promise<Collector> {
  const { config = CONFIG, overlays = [], tool = 'collector', env = {}, set = {} } = options;
  const data = await mkdtemp(join(tmpdir(), 'tasktrail-collector-'));
  const [url, grpc, exporter, stagesExporter, ownMetrics, health] = [
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
  ];
  const values = {
    'receivers::otlp::protocols::http::endpoint': url,
    'receivers::otlp::protocols::grpc::endpoint': grpc,
    'exporters::prometheus::endpoint': exporter,
    'exporters::prometheus/stages::endpoint': stagesExporter,
    'extensions::health_check::endpoint': health,
    'service::telemetry::metrics::readers': reader(ownMetrics),
    ...set,
  };
  const server = await ServerProcess.start({
    name: 'collector',
    command: pathOf(findTool(tool)),
    args: [
      ...[config, ...overlays].flatMap((file) => ['--config', file]),
      ...Object.entries(values).map(([path, value]) => `--set=${path}=${value}`),
    ],
    env: { COLLECTOR_DATA: data, ...env },
    cwd: data,
    isReady: () => answersOk(`http://${health}/`),
    directory: data,
  });
  return { server, url: `http://${url}`, grpc, exporter, stagesExporter, ownMetrics, data };
}

/** The complete list of metric readers, because --set cannot change an item of a list. */
function reader(address: string): string {
  const [host, port] = address.split(':');
  return `[{pull: {exporter: {prometheus: {host: ${host}, port: ${port}}}}}]`;
}

/** The scrape targets of this collector, by the address in prometheus.local.yaml. */
export function scraped({
  exporter,
  stagesExporter,
  ownMetrics,
}: Collector): Readonly<Record<string, string>> {
  return { '127.0.0.1:8889': exporter, '127.0.0.1:8890': stagesExporter, '127.0.0.1:8888': ownMetrics };
}
