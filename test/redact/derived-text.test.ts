import { expect, test } from 'vitest';
import { redactDerived } from '../../src/redact/derived-text.ts';

const VALUE = 'k9Zq7Wx2Rb5Ty8Np3a';

test.each([
  ['<password>@</password>', '@'],
  ['<password>@</password> now', '@ now'],
  ['[token](https://a.example.com/?token=@) @', 'see @'],
  ['`API_KEY=`@', '@'],
  ['| password | @ |', '@'],
  ['password: *k9Zq7Wx2*', 'k9Zq7Wx2'],
  ['password: k9Zq7\u200bWx2Rb5', 'k9Zq7Wx2Rb5'],
])('what is a secret in %s is none alone, and the text is left out', (source, text) => {
  const put = (frame: string): string => frame.replaceAll('@', VALUE);
  expect(redactDerived(put(text), put(source))).toBeUndefined();
});

test('a secret that is masked anyway keeps the text around it', () => {
  expect(redactDerived(`the password: ${VALUE} here`, `**the** password: ${VALUE} here`)).toBe(
    'the password: [redacted:password] here',
  );
});

test('a text without a secret stays', () => {
  expect(redactDerived('the second half', 'the *second* half')).toBe('the second half');
  expect(redactDerived('the second half', `the *second* half\npassword: ${VALUE}`)).toBe('the second half');
});
