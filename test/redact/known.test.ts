import { afterEach, expect, test } from 'vitest';
import { maskSecrets, redact, redactJson } from '../../src/redact/redact.ts';

afterEach(() => maskSecrets([]));

test('the secrets of this process are masked everywhere, without matching a pattern', () => {
  maskSecrets(['plain (words) of a secret', 'other-secret', 'short', '']);
  expect(redact('say plain (words) of a secret, twice: plain (words) of a secret')).toBe(
    'say [redacted:own-secret], twice: [redacted:own-secret]',
  );
  expect(redactJson('{"a":"x other-secret y","other-secret":1}')).toBe(
    '{"a":"x [redacted:own-secret] y","[redacted:own-secret]":1}',
  );
  expect(redact('a short word')).toBe('a short word');
  maskSecrets([]);
  expect(redact('other-secret')).toBe('other-secret');
});
