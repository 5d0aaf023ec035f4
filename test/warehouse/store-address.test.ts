import { expect, test } from 'vitest';
import { readStoreAddress } from '../../src/warehouse/store-address.ts';

test.each([
  ['victorialogs://logs', 'http://logs:9428/'],
  ['victorialogs://127.0.0.1:1234', 'http://127.0.0.1:1234/'],
  ['victorialogs://[::1]', 'http://[::1]:9428/'],
  ['victorialogs+https://logs.example.com/vl', 'https://logs.example.com/vl'],
])('%s is %s', (address, url) => {
  expect(readStoreAddress(address)).toEqual({ url: new URL(url), headers: {}, mayFlush: true });
});

test('user, password and tenant become headers', () => {
  const { url, headers } = readStoreAddress('victorialogs://me:p%40ss@logs?tenant=12:3');
  expect(url.href).toBe('http://logs:9428/');
  expect(headers).toEqual({
    Authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
    AccountID: '12',
    ProjectID: '3',
  });
  expect(readStoreAddress('victorialogs://logs?tenant=7').headers).toEqual({
    AccountID: '7',
    ProjectID: '0',
  });
});

test('the address says whether lines may be made visible at once', () => {
  expect(readStoreAddress('victorialogs://logs?flush=false')).toMatchObject({ mayFlush: false, headers: {} });
  expect(readStoreAddress('victorialogs://logs?tenant=1&flush=true')).toMatchObject({ mayFlush: true });
});

test.each([
  'http://logs:9428',
  'victorialogs:',
  'victorialogs://',
  'victorialogs://logs?tenant=a',
  'victorialogs://logs?tenant=1&tenant=2',
  'victorialogs://logs?retention=1',
  'victorialogs://logs?flush=no',
  'victorialogs://logs?flush=true&flush=false',
  'victorialogs://me:hidden@logs#x',
  'no address',
])('%s is refused, without its password', (address) => {
  expect(() => readStoreAddress(address)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
  expect(() => readStoreAddress(address)).not.toThrow(/hidden/);
});
