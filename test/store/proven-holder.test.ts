import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { loadConfig } from '../../src/config/config.ts';
import { Journal } from '../../src/journal/journal.ts';
import { journalDir } from '../../src/journal/lone-record.ts';
import { trailTokenOf } from '../../src/model/trail-token.ts';
import { ensureTrailKey, readTrailKey } from '../../src/store/key.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { proveHolder } from '../../src/store/proven-holder.ts';
import { createSenders, destinationsOf, HOLDER } from '../../src/trail/destinations.ts';
import { documentOf, tempDir } from '../support/log-dir.ts';
import { DEADLINE } from '../support/until.ts';

const URL = 'http://127.0.0.1:4318';

async function hold(dir: string, key?: string): Promise<DirectoryLock> {
  const lock = await DirectoryLock.acquire(dir, () => undefined, { key });
  onTestFinished(() => lock.release());
  await lock.announce(URL);
  return lock;
}

function change(dir: string, fields: Readonly<Record<string, unknown>>): void {
  const path = join(dir, '_lock.json');
  writeFileSync(path, JSON.stringify({ ...documentOf(path), ...fields }));
}

test('the lock of a holder is signed, before and after it announces its address', async () => {
  const dir = await tempDir();
  const lock = await DirectoryLock.acquire(dir, () => undefined);
  onTestFinished(() => lock.release());
  const key = await readTrailKey(dir);
  expect(lock.key).toBe(key);
  expect(await proveHolder(dir, undefined)).toMatchObject({ state: 'proven', holder: { otlp_url: null } });
  await lock.announce(URL);
  expect(await proveHolder(dir, undefined)).toMatchObject({
    state: 'proven',
    holder: { otlp_url: URL },
    token: trailTokenOf(key ?? ''),
  });
  expect(readFileSync(join(dir, '_lock.json'), 'utf8')).not.toContain(key);
});

test.each<[string, Record<string, unknown>, RegExp]>([
  ['another address', { otlp_url: 'http://127.0.0.1:1' }, /signed with another key, or was changed/],
  ['another process', { pid: process.ppid, start: '' }, /signed with another key, or was changed/],
  ['another start', { started_at: '2000-01-01T00:00:00.000Z' }, /signed with another key, or was changed/],
  ['no signature', { mac: undefined }, /not signed.*older tasktrail/],
  ['a signature that is no text', { mac: 1 }, /not signed/],
  ['an empty signature', { mac: '' }, /signed with another key, or was changed/],
])('a lock file with %s proves nothing', async (_name, fields, reason) => {
  const dir = await tempDir();
  await hold(dir);
  change(dir, fields);
  const proof = await proveHolder(dir, undefined);
  expect(proof).toMatchObject({ state: 'unproven', reason: expect.stringMatching(reason) });
  expect(proof).not.toHaveProperty('token');
});

test('a holder with the key of the configuration is proven with that key alone', async () => {
  const dir = await tempDir();
  await hold(dir, 'one shared key of the machines');
  expect(await readTrailKey(dir)).toBeUndefined();
  expect(await proveHolder(dir, 'one shared key of the machines')).toMatchObject({ state: 'proven' });
  expect(await proveHolder(dir, 'another key')).toMatchObject({
    state: 'unproven',
    reason: expect.stringContaining('give it the same TASK_LOGS_KEY'),
  });
  expect(await proveHolder(dir, undefined)).toMatchObject({
    state: 'unproven',
    reason: expect.stringContaining('has no _key'),
  });
});

test('the holder writes its changed lock file again', async () => {
  const dir = await tempDir();
  await hold(dir);
  change(dir, { otlp_url: 'http://127.0.0.1:1' });
  await expect.poll(async () => (await proveHolder(dir, undefined)).state, DEADLINE).toBe('proven');
  expect(documentOf(dir, '_lock.json').otlp_url).toBe(URL);
});

test('a restored lock file is signed', async () => {
  const dir = await tempDir();
  await hold(dir);
  rmSync(join(dir, '_lock.json'));
  await expect.poll(async () => (await proveHolder(dir, undefined)).state, DEADLINE).toBe('proven');
});

test('a lock file that points to another program gets no record and no token', async () => {
  const dir = await tempDir();
  const received: string[] = [];
  const listener = createServer((request, response) => {
    received.push(`${request.url} ${request.headers.authorization}`);
    response.end('{}');
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void listener.close());
  listener.on('connection', () => received.push('connection'));
  await ensureTrailKey(dir);
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  const { pid, host, start } = await ownOwner(dir);
  writeFileSync(
    join(dir, '_lock.json'),
    JSON.stringify({ pid, host, start, token: 'forged', started_at: '', otlp_url: url, mac: 'forged' }),
  );
  const future = new Date(Date.now() + 3_600_000);
  utimesSync(join(dir, '_lock.json'), future, future);
  const env = { TASK_LOGS_DIR: dir, TASK_LOGS_API_TOKEN: 'an api token of some length' };
  const config = loadConfig({ env, cwd: dir });
  const books = new Books();
  const journal = new Journal({ directory: journalDir(dir), destinations: destinationsOf(config), books });
  const senders = await createSenders(config, { journal, books });
  journal.append({ resource: { attributes: [] }, scope: { name: 'test' } }, { kind: 'L', json: '{}' });
  for (const sender of senders) sender.start();
  await expect.poll(() => books.reasons.get(HOLDER), DEADLINE).toMatch(/records wait: .*was changed/);
  await Promise.all(senders.map((sender) => sender.stop(0)));
  expect(received).toEqual([]);
  expect(await journal.countPending(HOLDER)).toBe(1);
  await journal.close();
});

/** What the lock of this process says about it. */
async function ownOwner(dir: string): Promise<Record<string, unknown>> {
  const lock = await DirectoryLock.acquire(dir, () => undefined);
  const owner = documentOf(dir, '_lock.json');
  await lock.release();
  return owner;
}
