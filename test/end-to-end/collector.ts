import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freeAddress } from '../support/free-port.ts';
import { answersOk, ServerProcess } from '../support/server-process.ts';
import { findTool, pathOf } from '../support/tool.ts';

export interface CollectorOptions {
  /** Default: collector/config.yaml. */
  readonly config?: string;
  /** What the configuration asks for: where tasktrail, Jaeger, S3 are. */
  readonly env?: Readonly<Record<string, string>>;
  /** Values in place of the configuration's, by path: `{ 'exporters::awss3::timeout': '1s' }`. */
  readonly set?: Readonly<Record<string, string>>;
}

/** The collector; a killed one that is started again has its ports and its queues. */
export interface Collector {
  readonly server: ServerProcess;
  /** OTLP over HTTP: what OTEL_EXPORTER_OTLP_ENDPOINT is set to. */
  readonly url: string;
  /** OTLP over gRPC, as host:port. */
  readonly grpc: string;
  /** Where the `prometheus` exporters and its own metrics are, as host:port. */
  readonly exporter: string;
  readonly stagesExporter: string;
  readonly ownMetrics: string;
  /** COLLECTOR_DATA: queues, archive. */
  readonly data: string;
}

const CONFIG: string = resolve(import.meta.dirname, '../../collector/config.yaml');

export async function startCollector(options: CollectorOptions = {}): Promise<Collector> {
  const { config = CONFIG, env = {}, set = {} } = options;
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
    command: pathOf(findTool('collector')),
    args: ['--config', config, ...Object.entries(values).map(([path, value]) => `--set=${path}=${value}`)],
    env: { COLLECTOR_DATA: data, ...env },
    cwd: data,
    isReady: () => answersOk(`http://${health}/`),
    directory: data,
  });
  return { server, url: `http://${url}`, grpc, exporter, stagesExporter, ownMetrics, data };
}

/** A list is replaced as a whole. */
function reader(address: string): string {
  const [host, port] = address.split(':');
  return `[{pull: {exporter: {prometheus: {host: ${host}, port: ${port}}}}}]`;
}

/** Where Prometheus finds it, for each address that the checked-in configuration names. */
export function scraped({
  exporter,
  stagesExporter,
  ownMetrics,
}: Collector): Readonly<Record<string, string>> {
  return { '127.0.0.1:8889': exporter, '127.0.0.1:8890': stagesExporter, '127.0.0.1:8888': ownMetrics };
}
