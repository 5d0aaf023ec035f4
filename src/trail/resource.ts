import { hostname } from 'node:os';
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import type { Config } from '../config/config.ts';
import { ATTR } from '../model/attributes.ts';

/**
 * Who records: service, project, environment, host and process, and `OTEL_RESOURCE_ATTRIBUTES`. The command line is
 * left out on purpose: it may hold a prompt or a secret.
 */
export function resourceOf(config: Config): Resource {
  const own = resourceFromAttributes({
    [ATTR.serviceName]: config.serviceName,
    [ATTR.project]: config.project,
    [ATTR.environment]: config.environment,
    'host.name': hostname(),
    'process.pid': process.pid,
  });
  const given = detectResources({ detectors: [envDetector] }).attributes;
  // A task id here is the task that this process runs for, not the one that each of its records is about.
  const kept = Object.entries(given).filter(([name]) => name !== ATTR.taskId && name !== ATTR.attempt);
  return resourceFromAttributes(Object.fromEntries(kept)).merge(own);
}
