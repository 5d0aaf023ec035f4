import { expect, test } from 'vitest';
import { redact, redactJson } from '../../src/redact/redact.ts';

/** Lines that resemble a secret under its name, as code, manuals and test data have them. */
const ORDINARY: readonly string[] = [
  '// First pass: estimate size',
  '# Second pass: determine maximum length of long options',
  'https://username:password@www.example.com/path',
  'scheme://[user:passwd@]proxy.server:port',
  'https://REDACTED:REDACTED@www.example.com/',
  "new URL('https://a:b@host?abc#foo')",
  'append(env, "PWD="+dir)',
  'cmd = "PASSWORD=" . $value;',
  'exports.SignatureV4SignWithCredentials = SignatureV4SignWithCredentials;',
  's3DisableExpressSessionAuthKey = "s3_disable_express_session_auth"',
  'config.PrivateKey = testRSA2048PrivateKey',
  'var rsaPrivateKey = test1024Key',
  '"decryptionKey": "decryptionKey1024",',
  'forward<_CompletionToken>(__token));',
  'set REDIS_URL=redis://:<password>@host:port',
  '"secret": "\\u3299\\ufe0f",',
  '"AWS::SecretsManager::Secret": "c85175a4ebcce361",',
  '"ARN": "arn:aws:secretsmanager:us-west-2:123456789012:secret:MyTestSecret-a1b2c3",',
  'NextContinuationToken: "1w41l63U0xa8q7smH50vCxyTQqdxo69O3EmK28Bi5PcROI4wI"',
  'aws s3api list-objects --starting-token eyJOZXh0VG9rZW4iOiBudWxs',
  '--idempotency-token 98256344',
  '"clientRequestToken": "123Example",',
  '--secret=projects/my-project/secrets/my-secret/versions/1',
  '--credentials /credentials.json',
  'ERROR: fetching token: AADSTS50079: Due to a configuration change',
  'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20110909/us-east-1/host/aws4_request, SignedHeaders=date',
  'pino-http-send -u http://localhost:8080/logs',
  'Set-Cookie: number=7\\r\\nSet-Cookie: string=seven',
  'UNRESERVED_PAT = r"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"',
  '_INIT_FACTORY_PAT = "__attr_factory_%s"',
  'Check both username AND password: redis://:password@host has empty username',
];

test.each(ORDINARY)('stays: %s', (text) => {
  expect(redact(text)).toBe(text);
  expect(redact(`${text}\n`)).toBe(`${text}\n`);
  expect(JSON.parse(redactJson(JSON.stringify({ content: text })))).toEqual({ content: text });
});

test('the lines of a certificate stay', () => {
  const line = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAwQQYDVR0fBDowODA2oDSgMoYwaHR0cDovL2Ny';
  const text = `-----BEGIN CERTIFICATE-----\n${line}\nbC5nbG9iYWxzaWduLmNvbS9ncy90cnVzdHJvb3RzaGEyZzIuY3JsMEwGA1UdIARF\nMEMwQQYJKwYBBAGgMgE8MDQwMgYIKwYBBQUHAgEWJmh0dHBzOi8vd3d3Lmdsb2Jh/+xa\n`;
  expect(redact(text)).toBe(text);
});

/** Nearly the same, and a secret. */
test.each([
  ['https://user:k9Zq7Wx2@www.example.com/', 'k9Zq7Wx2'],
  ['https://app:password@db/app', 'password@'],
  ['append(env, "PASSWORD="k9Zq7Wx2")', 'k9Zq7Wx2'],
  ['DB_PASSWORD="k9Zq7Wx2"', 'k9Zq7Wx2'],
  ['<password>(k9Zq7)Wx2</password>', 'Zq7'],
  ['<password>a,k9Zq7Wx2</password>', 'Zq7'],
  ['password_change_token=k9Zq7Wx2k9Zq7Wx2', 'Zq7'],
  ['NEXT_PUBLIC_API_TOKEN=k9Zq7Wx2k9Zq7Wx2', 'Zq7'],
  ['admin pass: k9Zq7Wx2 for all', 'Zq7'],
  ['PRIVATE_KEY=test1024Key9fQ2', '9fQ2'],
  ['curl -u bob:k9Zq7Wx2 https://a', 'Zq7'],
])('is masked: %s', (text, secret) => {
  expect(redact(text)).not.toContain(secret);
  expect(redactJson(JSON.stringify({ content: text }))).not.toContain(secret);
});
