import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { VictoriaLogs } from '../../../src/warehouse/client.ts';
import { afterTest } from '../../support/current-test.ts';
import { until } from '../../support/until.ts';
import { type StoreMode, StoreProxy } from './store-proxy.ts';

const ROWS = '{"a":"1"}\n{"a":"2"}\n';

interface Rig {
  readonly proxy: StoreProxy;
  /** Bodies that have arrived whole. */
  readonly arrived: string[];
  readonly services: readonly [VictoriaLogs, VictoriaLogs];
}

/** A target that answers queries with two rows, and two services that ask it through the proxy. */
async function rig(): Promise<Rig> {
  const arrived: string[] = [];
  const server = createServer((req, res) => {
    const pieces: Buffer[] = [];
    req.on('error', () => {});
    req.on('data', (piece: Buffer) => pieces.push(piece));
    req.on('end', () => {
      arrived.push(Buffer.concat(pieces).toString());
      res.end(req.url?.includes('/select/') ? ROWS : '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = new StoreProxy((server.address() as AddressInfo).port);
  await proxy.listen();
  afterTest(async () => {
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });
  const service = (n: 0 | 1): VictoriaLogs => new VictoriaLogs(proxy.addressOf(n));
  return { proxy, arrived, services: [service(0), service(1)] };
}

test('requests pass, and a fault is of one service', async () => {
  const { proxy, arrived, services } = await rig();
  await services[0].insert('one\n');
  expect(arrived).toEqual(['one\n']);
  proxy.modes[0] = '500';
  await expect(services[0].insert('two\n')).rejects.toThrow('500');
  expect(await services[1].rows('*')).toEqual([{ a: '1' }, { a: '2' }]);
  proxy.open(0);
  expect(await services[0].rows('*')).toHaveLength(2);
});

test.each<StoreMode>(['refuse', 'reset', '500', '429'])(
  'with %s nothing arrives whole, and nothing is answered well',
  async (mode) => {
    const { proxy, arrived, services } = await rig();
    proxy.modes[0] = mode;
    await expect(services[0].insert('x'.repeat(100_000))).rejects.toMatchObject({ retryable: true });
    await expect(services[0].rows('*')).rejects.toMatchObject({ retryable: true });
    expect(arrived.filter((body) => body.length >= 100_000)).toEqual([]);
  },
);

test.each<StoreMode>(['answer', 'half'])(
  'with %s a request arrives, and its answer is not whole',
  async (mode) => {
    const { proxy, arrived, services } = await rig();
    proxy.modes[0] = mode;
    await expect(services[0].rows('*')).rejects.toMatchObject({ retryable: true });
    await expect(services[0].insert('one\n')).rejects.toMatchObject({ retryable: true });
    expect(arrived).toContain('one\n');
  },
);

test('what hangs fails when the fault is over', async () => {
  const { proxy, arrived, services } = await rig();
  proxy.modes[0] = 'hang';
  const hung = services[0].insert('one\n').catch((error: unknown) => error);
  await until(() => proxy.hanging > 0, 'the request to hang');
  proxy.open(1);
  expect(proxy.hanging).toBe(1);
  // It is sent a second time, which passes.
  proxy.open(0);
  expect(await hung).toBeUndefined();
  expect(arrived).toEqual(['one\n']);
});
