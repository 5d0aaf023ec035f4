import { expect, test } from 'vitest';
import { MetricLabels, shortened } from '../../../src/trail/metrics/labels.ts';

test('the first 200 values of each attribute are kept, later ones are other', () => {
  const labels = new MetricLabels();
  for (let n = 0; n < 200; n += 1) expect(labels.bounded({ a: `v${n}` })).toEqual({ a: `v${n}` });
  expect(labels.bounded({ a: 'v200', b: 'v200' })).toEqual({ a: 'other', b: 'v200' });
  expect(labels.bounded({ a: 'v7' })).toEqual({ a: 'v7' });
});

test('an absent value is empty and takes no place', () => {
  const labels = new MetricLabels();
  expect(labels.bounded({ a: undefined, b: null, c: 7 })).toEqual({ a: '', b: '', c: '' });
  for (let n = 0; n < 200; n += 1) labels.bounded({ a: `v${n}` });
  expect(labels.bounded({ a: 'v199' })).toEqual({ a: 'v199' });
});

test.each([
  ['x'.repeat(150), 'x'.repeat(100)],
  [`${'x'.repeat(99)}\u{1F600}`, 'x'.repeat(99)],
  ['short', 'short'],
])('%j is cut to 100 characters without half a surrogate pair', (text, expected) => {
  expect(shortened(text)).toBe(expected);
});

test('a secret in a value is masked', () => {
  expect(shortened('token ghp_0123456789abcdefghijklmnopqrstuvwxyzAB')).not.toContain('ghp_0123456789');
});
