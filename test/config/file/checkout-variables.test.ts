import { expect, test } from 'vitest';
import { mayComeFromCheckout } from '../../../src/config/file/checkout-variables.ts';

test.each([
  ['TASK_LOGS_DIR', 'logs'],
  ['TASK_LOGS_EMIT_WORKFLOW_EVENTS', 'false'],
  ['OTEL_SERVICE_NAME', 'robot'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://localhost:4318'],
  ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'http://[::1]:4318/v1/traces'],
  ['OTEL_EXPORTER_OTLP_LOGS_HEADERS', 'a=b'],
  ['HOST', '127.0.0.1'],
])('a checkout may set %s=%s', (name, value) => {
  expect(mayComeFromCheckout(name, value)).toBe(true);
});

test.each([
  ['TASK_LOGS_S3_BUCKET', 'evil'],
  ['TASK_LOGS_S3_ENDPOINT', 'http://127.0.0.1:9000'],
  ['TASK_LOGS_RETENTION_DAYS', '1'],
  ['TASK_LOGS_WORKFLOW_RETENTION_DAYS', '1'],
  ['ORG', 'evil'],
  ['AWS_REGION', 'us-east-1'],
  ['AWS_ENDPOINT_URL_S3', 'http://127.0.0.1'],
  ['AWS_SECRET_ACCESS_KEY', 'x'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://evil.test'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://127.0.0.1.evil.test'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://127.0.0.1@evil.test'],
  ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', 'no URL'],
  ['OTEL_EXPORTER_OTLP_CERTIFICATE', 'ca.pem'],
  ['HOST', '0.0.0.0'],
  ['TASK_LOGS_OTLP_HOST', '::'],
  ['HTTPS_PROXY', 'http://evil.test'],
  ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
  ['PATH', '/tmp'],
  ['constructor', 'x'],
])('a checkout may not set %s=%s', (name, value) => {
  expect(mayComeFromCheckout(name, value)).toBe(false);
});
