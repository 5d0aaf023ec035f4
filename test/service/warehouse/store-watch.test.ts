import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { StoreWatch } from '../../../src/service/warehouse/store-watch.ts';
import { until } from '../../support/until.ts';

/** A VictoriaLogs that refuses what is named. */
async function open() {
  const state = { refuses: '' };
  const server = createServer((req, res) => {
    if (state.refuses !== '' && String(req.url).includes(state.refuses)) res.writeHead(429).end('no');
    else if (req.url === '/metrics')
      res
        .writeHead(200)
        .end(
          'vm_app_version{version="victoria-logs-v1.52.1",short_version="v1.52.1"} 1\nvl_free_disk_space_bytes{path="/a"} 7\nvl_storage_is_read_only{path="/a"} 0\n',
        );
    else res.writeHead(200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const books = new Books();
  const lease = { is_held: true, holder: 'host/1', since: '2026-01-02T03:04:05.000Z', problem: null };
  const watch = new StoreWatch({
    ...{ storeUrl: `victorialogs://127.0.0.1:${(server.address() as AddressInfo).port}`, tenant: '0:0' },
    ...{ books, index: { state: undefined }, once: { lease }, everyMs: 20 },
  });
  onTestFinished(() => watch.close());
  return { state, books, watch, lease };
}

test('it says how VictoriaLogs is, with its version and its disk', async () => {
  const { watch, lease } = await open();
  expect(watch.known()).toMatchObject({ version: null, problem: null });
  expect(await watch.read()).toMatchObject({
    ...{ system: 'victorialogs', tenant: '0:0', problem: null, version: '1.52.1', free_bytes: 7 },
    ...{ is_read_only: false, waiting: 0, index: null, lease },
  });
});

test('a service without requests is not ready while it could not store, and is again', async () => {
  const { state, books, watch } = await open();
  watch.start();
  state.refuses = 'insert';
  await until(() => books.reasons.get('store')?.includes('429'), 'the reason');
  state.refuses = '';
  await until(() => books.reasons.size === 0, 'the end of it');
});

test('one that cannot read stays ready, and says so', async () => {
  const { state, books, watch } = await open();
  watch.start();
  state.refuses = 'select';
  await until(() => books.notices.get('reading from the store')?.includes('429'), 'the notice');
  expect(books.reasons.size).toBe(0);
  expect(await watch.read()).toMatchObject({ problem: expect.stringContaining('429') });
  state.refuses = '';
  await until(() => books.notices.size === 0, 'the end of it');
});
