import { expect, test } from 'vitest';
import { noProxyFor } from '../../src/trail/no-proxy.ts';

const LOOPBACK = 'localhost,127.0.0.1,::1,[::1]';
const PROXY = { HTTP_PROXY: 'http://proxy:3128' };

test('a child without a proxy gets nothing', () => {
  expect(noProxyFor({ NO_PROXY: 'a', HTTP_PROXY: ' ' }, undefined)).toEqual({});
});

test.each(['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'])(
  'with %s loopback is left out of it, under both names',
  (name) => {
    const env = { [name]: 'http://proxy:3128' };
    expect(noProxyFor(env, undefined)).toEqual({ NO_PROXY: LOOPBACK, no_proxy: LOOPBACK });
  },
);

test('exceptions that are set stay, and a name that is not set gets those of the other', () => {
  expect(noProxyFor({ ...PROXY, NO_PROXY: '.corp, 10.0.0.0/8' }, undefined)).toEqual({
    NO_PROXY: `.corp,10.0.0.0/8,${LOOPBACK}`,
    no_proxy: `.corp,10.0.0.0/8,${LOOPBACK}`,
  });
  expect(noProxyFor({ ...PROXY, NO_PROXY: 'a', no_proxy: 'b,localhost' }, undefined)).toEqual({
    NO_PROXY: `a,${LOOPBACK}`,
    no_proxy: 'b,localhost,127.0.0.1,::1,[::1]',
  });
});

test('an exception for everything stays alone', () => {
  expect(noProxyFor({ ...PROXY, no_proxy: '*' }, undefined)).toEqual({ NO_PROXY: '*', no_proxy: '*' });
});

test('the receiver is an exception, wherever it listens', () => {
  expect(noProxyFor(PROXY, 'http://10.1.2.3:4318').NO_PROXY).toBe(`${LOOPBACK},10.1.2.3`);
  expect(noProxyFor(PROXY, 'http://127.0.0.1:4318').NO_PROXY).toBe(LOOPBACK);
});
