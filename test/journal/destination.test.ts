import { expect, test } from 'vitest';
import { destinationsOf } from '../../src/journal/destination.ts';

const ENDPOINT = 'https://user:secret@collector:4318/base?key=secret';
const KEY = 'https://collector:4318/base';

test.each([
  [true, undefined, ['holder']],
  [true, ENDPOINT, ['holder', KEY]],
  [false, ENDPOINT, [KEY]],
  [false, undefined, ['holder']],
])('store %s and endpoint %s lead to the destinations %j', (store, otlpEndpoint, expected) => {
  expect(destinationsOf({ store, otlpEndpoint })).toEqual(expected);
});
