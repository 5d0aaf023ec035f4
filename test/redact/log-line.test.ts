import { expect, test } from 'vitest';
import { safeLogLine, safeName } from '../../src/redact/log-line.ts';

test('a message of the log has several lines, and no character that is invisible or steers a terminal', () => {
  expect(safeLogLine('one\ntwo \u001b[31m\u200b\ufeff\u202e\u009b')).toBe(
    'one\ntwo \\u001b[31m\\u200b\\ufeff\\u202e\\u009b',
  );
});

test('a name is on one line, short and without secrets', () => {
  expect(safeName('a\nb\u200b')).toBe('a\\u000ab\\u200b');
  expect(safeName(`x ghp_${'aB3d'.repeat(9)}`)).toBe('x [redacted:github-token]');
  expect(safeName('\u{1f600}'.repeat(150), 3)).toBe('\u{1f600}...');
});
