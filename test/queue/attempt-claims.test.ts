import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { AttemptClaims } from '../../src/queue/attempt-claims.ts';
import { setLeaseGuard } from '../../src/system/lease-guard.ts';
import { tempDir } from '../support/log-dir.ts';

test('of two services exactly one gets each attempt', async () => {
  const dir = await tempDir();
  const [first, second] = [new AttemptClaims(dir), new AttemptClaims(dir)];
  const all = await Promise.all([first.claim('task-1', 1), second.claim('task-1', 1)]);
  expect(all.sort()).toEqual([1, 2]);
  expect(await second.claim('task-2', 3)).toBe(3);
});

test('the claims of an ended task are removed, also those of other services', async () => {
  const dir = await tempDir();
  await new AttemptClaims(dir).claim('task-1', 1);
  const claims = new AttemptClaims(dir);
  await claims.claim('task-1', 1);
  await claims.claim('task-2', 1);
  await claims.remove('task-1');
  expect(readdirSync(join(dir, '_claims'))).toEqual(['task-2.1']);
  await new AttemptClaims(dir).sweep(['task-3']);
  expect(readdirSync(join(dir, '_claims'))).toEqual([]);
});

test('a service that has lost its lease claims nothing', async () => {
  const dir = await tempDir();
  setLeaseGuard({ lease: 1, holds: () => false });
  onTestFinished(() => setLeaseGuard(undefined));
  await expect(new AttemptClaims(dir).claim('task-1', 1)).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
  });
  expect(readdirSync(dir)).toEqual([]);
});
