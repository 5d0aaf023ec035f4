import type { Config } from '../config/config.ts';
import { safeLogLine } from '../redact/log-line.ts';
import { startWarehouseService, type WarehouseService } from '../service/warehouse/warehouse-service.ts';
import { readVersion } from '../system/version.ts';
import type { StopSignals } from './stop-signals.ts';
import { escapeLine, escapeText } from './terminal/terminal-text.ts';

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

function describe({ url, otlpUrl, store }: WarehouseService): string {
  const row = (name: string, text: string): string => `  ${name.padEnd(10)} ${escapeLine(text)}`;
  return `${[
    `tasktrail ${readVersion()}, serve`,
    row('page', `${url}/`),
    row('REST', `${url}/api/tasks`),
    row('health', `${url}/readyz`),
    row('OTLP', otlpUrl),
    row('writes to', `VictoriaLogs at ${store}`),
    row('off', 'webhooks: see docs/victorialogs.md'),
  ].join('\n')}\n`;
}
