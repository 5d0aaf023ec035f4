import { expect, test } from 'vitest';
import { allowedVariables, withoutCredentials } from '../../src/agent/allowed-variables.ts';

test('only what is on the list is handed over, by its exact name', () => {
  const allowed = { PATH: '/bin', HOME: '/h', LC_ALL: 'C', TERM: 'xterm', JAVA_HOME: '/opt/java' };
  const others = {
    ...{ GITHUB_TOKEN: 't', AWS_PROFILE: 'p', LC_SECRET: 's', SSH_AUTH_SOCK: '/s', NODE_OPTIONS: '-r x' },
    ...{
      TASK_LOGS_DIR: '/logs',
      TASK_LOGS_KEY: 'k',
      OTEL_EXPORTER_OTLP_HEADERS: 'h',
      Path: '/x',
      path: '/y',
    },
  };
  expect(allowedVariables({ ...allowed, ...others }, 'linux')).toEqual(allowed);
});

test('names have no case on Windows', () => {
  const env = { Path: 'C:\\bin', SystemRoot: 'C:\\Windows', 'ProgramFiles(x86)': 'C:\\P', Github_Token: 't' };
  expect(allowedVariables(env, 'win32')).toEqual({
    Path: 'C:\\bin',
    SystemRoot: 'C:\\Windows',
    'ProgramFiles(x86)': 'C:\\P',
  });
  expect(allowedVariables(env, 'linux')).toEqual({});
});

test.each([
  ['http://user:secret@proxy:3128', 'http://proxy:3128'],
  ['http://user:secret@proxy:3128/', 'http://proxy:3128/'],
  ['user:secret@proxy:3128', 'proxy:3128'],
  ['http://user:sec@ret@proxy', 'http://proxy'],
  ['http://user:sec/ret@proxy', 'http://proxy'],
  ['HTTP://user:secret?x@proxy', 'HTTP://proxy'],
  ['socks5h://user:secret@[::1]:1080', 'socks5h://[::1]:1080'],
  ['http://proxy:3128', 'http://proxy:3128'],
  ['http://proxy:3128?token=secret#secret', 'http://proxy:3128'],
  [' http://user:secret@proxy', 'http://proxy'],
  ['http://secret@', 'http://'],
  ['', ''],
])('a proxy %j is handed over as %j', (given, expected) => {
  expect(withoutCredentials(given)).toBe(expected);
  expect(allowedVariables({ https_proxy: given }).https_proxy).toBe(expected);
});

test('variables of certificates and folders are handed over as paths only', () => {
  const pem = '-----BEGIN CERTIFICATE-----\nabc';
  const env = {
    SSL_CERT_FILE: '/etc/ca.pem',
    NODE_EXTRA_CA_CERTS: pem,
    GOPATH: 'https://u:p@host',
    CARGO_HOME: '/c',
  };
  expect(allowedVariables(env)).toEqual({ SSL_CERT_FILE: '/etc/ca.pem', CARGO_HOME: '/c' });
});
