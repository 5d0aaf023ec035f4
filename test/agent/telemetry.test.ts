import { expect, test } from 'vitest';
import { DIALECT_NAMES, findDialect } from '../../src/agent/dialects/dialects.ts';

const ENDPOINT = 'http://127.0.0.1:4318';

test('Claude Code gets variables to send logs and spans, but no metrics', () => {
  expect(findDialect('claude').telemetryEnv?.(ENDPOINT)).toEqual({
    CLAUDE_CODE_ENABLE_TELEMETRY: '1',
    CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: '1',
    OTEL_LOGS_EXPORTER: 'otlp',
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT,
  });
});

test('Gemini CLI gets variables to send over HTTP, without prompts', () => {
  expect(findDialect('gemini').telemetryEnv?.(ENDPOINT)).toEqual({
    GEMINI_TELEMETRY_ENABLED: 'true',
    GEMINI_TELEMETRY_TARGET: 'local',
    GEMINI_TELEMETRY_OTLP_PROTOCOL: 'http',
    GEMINI_TELEMETRY_OTLP_ENDPOINT: ENDPOINT,
    GEMINI_TELEMETRY_LOG_PROMPTS: 'false',
  });
});

test('the token of the receiver is in the standard variable', () => {
  for (const name of ['claude', 'gemini']) {
    const env = findDialect(name).telemetryEnv?.(ENDPOINT, 'authorization=Bearer%20secret');
    expect(env?.OTEL_EXPORTER_OTLP_HEADERS).toBe('authorization=Bearer%20secret');
  }
});

test('agents without telemetry variables get none', () => {
  const without = DIALECT_NAMES.filter((name) => findDialect(name).telemetryEnv === undefined);
  expect(without).toEqual(['codex', 'cursor', 'opencode', 'qwen', 'text']);
});

test('an agent that is not known yet gets the variables of all agents', () => {
  expect(findDialect('auto').telemetryEnv?.(ENDPOINT)).toEqual({
    ...findDialect('claude').telemetryEnv?.(ENDPOINT),
    ...findDialect('gemini').telemetryEnv?.(ENDPOINT),
  });
});
