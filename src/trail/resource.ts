import { hostname } from 'node:os';
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import type { Config } from '../config/config.ts';
import { encodeAttributes } from '../export/encode.ts';
import type { TelemetrySource } from '../journal/line.ts';
import { ATTR } from '../model/attributes.ts';

/**
 * The resource of this process: service, project, environment, host, process id, and `OTEL_RESOURCE_ATTRIBUTES`. The
 * command line is left out on purpose: it may hold a prompt or a secret.
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
  // An agent's environment names the task that the agent runs for; records of this process may be about other tasks.
  const kept = Object.entries(given).filter(([name]) => name !== ATTR.taskId && name !== ATTR.attempt);
  return resourceFromAttributes(Object.fromEntries(kept)).merge(own);
}

/** What the spans that the holder builds carry. */
export function sourceOf(resource: Resource): TelemetrySource {
  return { resource: { attributes: encodeAttributes(resource.attributes) }, scope: { name: 'tasktrail' } };
}
