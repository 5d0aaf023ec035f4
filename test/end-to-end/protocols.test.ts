import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { EndpointTransport } from '../../src/export/endpoint-transport.ts';
import { type Collector, startCollector } from './collector.ts';

let collector: Collector;

beforeAll(async () => {
  collector = await startCollector();
}, 300_000);

afterAll(() => collector?.server.stop(), 60_000);

afterEach(() => void vi.unstubAllEnvs());

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';

const LOGS = {
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'protocols' } }] },
      scopeLogs: [
        {
          scope: { name: 'test' },
          logRecords: [
            {
              timeUnixNano: '1767323045000000000',
              severityNumber: 17,
              body: { intValue: '-1' },
              traceId: TRACE_ID,
            },
          ],
        },
      ],
    },
  ],
};

const TRACES = {
  resourceSpans: [
    {
      resource: {},
      scopeSpans: [
        {
          scope: { name: 'test' },
          spans: [
            {
              traceId: TRACE_ID,
              spanId: SPAN_ID,
              name: 'work',
              kind: 2,
              startTimeUnixNano: '1767323045000000000',
              endTimeUnixNano: '1767323046000000000',
              attributes: [{ key: 'nested', value: { kvlistValue: { values: [{ key: 'a', value: {} }] } } }],
              status: { code: 2, message: 'failed' },
            },
          ],
        },
      ],
    },
  ],
};

test.each([
  ['http/protobuf', 'none'],
  ['http/protobuf', 'gzip'],
  ['http/json', 'none'],
  ['http/json', 'gzip'],
])(
  'the collector takes logs, spans and probes as %s with the compression %s',
  async (protocol, compression) => {
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
    vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', protocol);
    vi.stubEnv('OTEL_EXPORTER_OTLP_COMPRESSION', compression);
    const transport = new EndpointTransport();
    const accepted = { kind: 'accepted', rejected: 0 };
    expect(await transport.send('logs', Buffer.from(JSON.stringify(LOGS)))).toEqual(accepted);
    expect(await transport.send('traces', Buffer.from(JSON.stringify(TRACES)))).toEqual(accepted);
    expect(await transport.probe('logs')).toEqual(accepted);
    expect(await transport.probe('traces')).toEqual(accepted);
    await transport.close();
  },
);
