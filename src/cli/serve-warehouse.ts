import type { Config } from '../config/config.ts';
import { tenantIn } from '../model/tenant.ts';
import { safeLogLine } from '../redact/log-line.ts';
import { startWarehouseService, type WarehouseService } from '../service/warehouse/warehouse-service.ts';
import { readVersion } from '../system/version.ts';
import { row, webhookNames, webhookNotes } from './service-rows.ts';
import type { StopSignals } from './stop-signals.ts';
import { escapeText } from './terminal/terminal-text.ts';

const NO_KEY =
  'records of workers are refused: set TASK_LOGS_KEY, the same for all services and workers (or TASK_LOGS_API_TOKEN, which they send)';

/** Runs `serve` over a VictoriaLogs until a signal. Throws what `startWarehouseService` throws. */
export async function serveWarehouse(config: Config, signals: StopSignals): Promise<never> {
  const service = await startWarehouseService(config, {
    log: (line) => process.stderr.write(`tasktrail: ${safeLogLine(line)}\n`),
  });
  process.stdout.write(escapeText(describe(service)));
  process.stdout.write(`\n${await signals.first()}: stopping (again after two seconds: end at once)\n`);
  await service.stop();
  const { accepted, rejected = {} } = service.books.snapshot();
  const refused = Object.values(rejected).reduce((sum, count) => sum + count, 0);
  process.stdout.write(`stopped. ${accepted} records stored, ${refused} rejected\n`);
  process.exit(0);
}

function describe({ config, url, otlpUrl, store }: WarehouseService): string {
  const { redisUrl } = config;
  const queue =
    redisUrl === undefined
      ? [row('off', 'webhooks, POST /api/tasks and cancelling: set REDIS_URL')]
      : [
          row('webhooks', `POST ${url}/webhooks/${webhookNames(config).join(' | ')}`),
          row('queue', `Redis at ${new URL(redisUrl).host}`),
          ...webhookNotes(config).map((note) => row('off', note)),
          ...(isKnownToWorkers(config) ? [] : [row('warning', NO_KEY)]),
          ...tenantNotes(config).map((note) => row('warning', note)),
        ];
  return `${[
    `tasktrail ${readVersion()}, serve`,
    row('page', `${url}/`),
    row('REST', `${url}/api/tasks`),
    row('health', `${url}/readyz`),
    row('OTLP', otlpUrl),
    ...queue,
    row('writes to', `VictoriaLogs at ${store}`),
  ].join('\n')}\n`;
}

/** A worker does not have the address, so what they meet by in Redis cannot come from it. */
function tenantNotes({ storeUrl = '', tenant }: Config): readonly string[] {
  const named = tenantIn(storeUrl);
  if (named === undefined || tenant !== undefined) return [];
  return [
    `TASK_LOGS_STORE_URL names tenant ${named}, and Redis does not keep it apart from others: set TASK_LOGS_TENANT=${named} here and for its workers, or give it its own Redis`,
  ];
}

/** Whether the records of a worker on another machine can be told from those of others. */
function isKnownToWorkers({ key, apiToken }: WarehouseService['config']): boolean {
  return key !== undefined || apiToken !== undefined;
}
