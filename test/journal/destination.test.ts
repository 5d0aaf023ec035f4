import { expect, test } from 'vitest';
import { destinationsOf, endpointsOf } from '../../src/journal/destination.ts';

const ENDPOINT = 'https://user:secret@collector:4318/base?key=secret';
const KEY = 'https://collector:4318/base';

test.each<[boolean, string | undefined, string[]]>([
  [true, undefined, ['holder']],
  [true, ENDPOINT, ['holder', KEY]],
  [false, ENDPOINT, [KEY]],
  [false, undefined, ['holder']],
])('store %s and endpoint %s lead to the destinations %j', (store, otlpEndpoint, expected) => {
  expect(destinationsOf({ store, otlpEndpoint })).toEqual(expected);
});

test('a signal with an endpoint of its own is a destination of its own', () => {
  const traces = 'http://tempo:4318/v1/traces';
  const settings = { store: true, otlpEndpoint: ENDPOINT, otlpTracesEndpoint: traces };
  expect(endpointsOf(settings)).toEqual([
    { key: traces, signals: new Set(['traces']) },
    { key: KEY, signals: new Set(['logs']) },
  ]);
  expect(destinationsOf(settings)).toEqual(['holder', traces, KEY]);
  expect(destinationsOf({ ...settings, store: false })).toEqual([traces, KEY]);
});

test('two signals with the same address are one destination', () => {
  const both = { otlpTracesEndpoint: 'http://h/otlp?a=1', otlpLogsEndpoint: 'http://h/otlp?a=2' };
  expect(endpointsOf({ store: true, otlpEndpoint: undefined, ...both })).toEqual([
    { key: 'http://h/otlp', signals: new Set(['traces', 'logs']) },
  ]);
});

test('what no endpoint takes goes to the holder, also when this process does not store', () => {
  const logs = 'http://h/v1/logs';
  expect(destinationsOf({ store: false, otlpEndpoint: undefined, otlpLogsEndpoint: logs })).toEqual([
    'holder',
    logs,
  ]);
});
