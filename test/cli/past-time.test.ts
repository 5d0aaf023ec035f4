import { expect, test } from 'vitest';
import { readPastTime } from '../../src/cli/past-time.ts';

const NOW_MS = Date.parse('2026-06-15T12:00:00.000Z');

test.each([
  ['30s', '2026-06-15T11:59:30.000Z'],
  ['90m', '2026-06-15T10:30:00.000Z'],
  ['2h', '2026-06-15T10:00:00.000Z'],
  ['3d', '2026-06-12T12:00:00.000Z'],
  ['1w', '2026-06-08T12:00:00.000Z'],
  ['0s', '2026-06-15T12:00:00.000Z'],
  ['999999w', '1970-01-01T00:00:00.000Z'],
  ['2026-06-01', '2026-06-01T00:00:00.000Z'],
  ['2026-06-01T02:00:00+02:00', '2026-06-01T00:00:00.000Z'],
])('%s is %s', (value, iso) => {
  expect(readPastTime('--since', value, NOW_MS)).toBe(iso);
});

test.each(['', '2', 'h', '2 h', '-2h', '2y', '1.5h', '2026-06-01T02:00:00', '2026-13-01', 'x'.repeat(200)])(
  '%j is refused by the name of its flag',
  (value) => {
    expect(() => readPastTime('--until', value, NOW_MS)).toThrow(
      expect.objectContaining({
        code: 'ERR_INPUT_INVALID',
        message: expect.stringMatching(/^--until: ".{0,60}" is not a time: use 30m, /),
      }),
    );
  },
);
