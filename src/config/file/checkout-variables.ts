import { isLoopback } from '../../model/loopback.ts';
import { SETTINGS } from '../settings.ts';

/** They say where documents go, with whose name, and how soon something is removed. */
const DECIDING: ReadonlySet<string> = new Set([
  'TASK_LOGS_S3_BUCKET',
  'TASK_LOGS_S3_PREFIX',
  'TASK_LOGS_S3_ENDPOINT',
  'TASK_LOGS_S3_PATH_STYLE',
  'ORG',
  'PROJECT',
  'TASK_LOGS_RETENTION_DAYS',
  'TASK_LOGS_WORKFLOW_RETENTION_DAYS',
  'OTEL_EXPORTER_OTLP_CERTIFICATE',
  'OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE',
  'OTEL_EXPORTER_OTLP_CLIENT_KEY',
]);

const ENDPOINT = /^OTEL_EXPORTER_OTLP_(?:[A-Z]+_)?ENDPOINT$/;

/** They exist for each signal; the table has one row for all. */
const OF_EXPORTERS =
  /^OTEL_EXPORTER_OTLP_(?:(?:TRACES|LOGS|METRICS)_)?(?:HEADERS|COMPRESSION|TIMEOUT|PROTOCOL)$/;

const HOSTS: readonly string[] = ['HOST', 'TASK_LOGS_OTLP_HOST'];

/**
 * Whether a `.env` in a checkout may set a variable for a command that records there: settings of tasktrail, but no place
 * beyond this machine that records go to or come from, and nothing that removes records of other projects. Variables of
 * other programs (proxies, AWS, certificates) are not taken.
 */
export function mayComeFromCheckout(name: string, value: string): boolean {
  if (HOSTS.includes(name)) return isLoopback(value.trim());
  if (ENDPOINT.test(name)) return isOnThisMachine(value.trim());
  if (OF_EXPORTERS.test(name)) return true;
  return Object.hasOwn(SETTINGS, name) && !DECIDING.has(name) && !name.startsWith('AWS_');
}

function isOnThisMachine(url: string): boolean {
  if (url === '') return true;
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return isLoopback(hostname.replace(/^\[|\]$/g, ''));
}
