import { afterEach, expect, test } from 'vitest';
import { maskSecrets, redact, redactJson } from '../../src/redact/redact.ts';

afterEach(() => maskSecrets([]));

test('the secrets of this process are masked everywhere, without matching a pattern', () => {
  maskSecrets(['plain (words) of a secret', 'other-secret', 'short', '']);
  expect(redact('say plain (words) of a secret, twice: plain (words) of a secret')).toBe(
    'say [redacted], twice: [redacted]',
  );
  expect(redactJson('{"a":"x other-secret y","other-secret":1}')).toBe(
    '{"a":"x [redacted] y","[redacted]":1}',
  );
  expect(redact('a short word')).toBe('a short word');
  maskSecrets([]);
  expect(redact('other-secret')).toBe('other-secret');
});
