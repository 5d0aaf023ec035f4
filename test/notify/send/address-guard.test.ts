import { expect, test } from 'vitest';
import { AddressGuard } from '../../../src/notify/send/address-guard.ts';

const nothing = new AddressGuard([], () => ['198.51.200.7/24', '2a02:1234::7/64']);

const REFUSED = [
  '127.0.0.1',
  '127.1.2.3',
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '192.0.0.1',
  '198.18.0.1',
  '203.0.113.5',
  '224.0.0.1',
  '255.255.255.255',
  // The network of an interface of this host.
  '198.51.200.99',
  '2a02:1234::99',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:ffff:7f00:0001',
  '::ffff:169.254.169.254',
  '::ffff:0:127.0.0.1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:0:7f00:1::',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'fc00::1',
  'fd12:3456::1',
  'ff02::1',
  '2001:db8::1',
];

test.each(REFUSED)('%s is refused', async (address) => {
  expect(nothing.isAllowed({ address, family: address.includes(':') ? 6 : 4 })).toBe(false);
});

test.each(['93.184.216.34', '8.8.8.8', '172.32.0.1', '2606:2800:220:1::1', '::ffff:8.8.8.8'])(
  '%s is public',
  (address) => {
    expect(nothing.isAllowed({ address, family: address.includes(':') ? 6 : 4 })).toBe(true);
  },
);

test('what the configuration names is allowed, and nothing beside it', () => {
  const guard = new AddressGuard(['10.1.0.0/16', '::1', 'fe80::/10'], () => []);
  const isAllowed = (address: string): boolean =>
    guard.isAllowed({ address, family: address.includes(':') ? 6 : 4 });
  expect(['10.1.2.3', '::1', '::ffff:10.1.2.3', 'fe80::1%eth0'].map(isAllowed)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(['10.2.0.1', '127.0.0.1', '::ffff:10.2.0.1', 'fc00::1'].map(isAllowed)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test.each([
  'localhost',
  'localhost.',
  new URL('http://0x7f.1/').hostname,
  new URL('http://2130706433/').hostname,
  new URL('http://[::ffff:127.0.0.1]/').hostname,
  new URL('http://0/').hostname,
])('the host %s is refused', async (host) => {
  await expect(nothing.resolve(host)).rejects.toThrow();
});

test('the own networks are those of the interfaces by default', async () => {
  const { networkInterfaces } = await import('node:os');
  const guard = new AddressGuard([]);
  for (const one of Object.values(networkInterfaces()).flat())
    if (one !== undefined)
      expect(guard.isAllowed({ address: one.address, family: one.family === 'IPv6' ? 6 : 4 })).toBe(false);
});
