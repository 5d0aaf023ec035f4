import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Tombstones, tombstoneOf } from '../../../src/store/keep/tombstones.ts';
import { linesOf, tempDir } from '../../support/log-dir.ts';

const FILE = '_pruned.jsonl';
const T1 = Date.parse('2026-01-02T03:04:05Z');
const DAY_MS = 86_400_000;

test('removed items are known by kind and id, also after a restart', async () => {
  const dir = await tempDir();
  const tombstones = await Tombstones.open(dir);
  expect(existsSync(join(dir, FILE))).toBe(false);
  await tombstones.add([tombstoneOf('task', 'task-1', T1)]);
  await tombstones.add([
    tombstoneOf('workflow', 'workflow-1', T1 + 1),
    tombstoneOf('task', 'task-2', T1 + 2),
  ]);
  await tombstones.add([]);
  for (const known of [tombstones, await Tombstones.open(dir)]) {
    expect(known.has('task', 'task-1')).toBe(true);
    expect(known.has('workflow', 'task-1')).toBe(false);
    expect(known.has('task', 'task-3')).toBe(false);
    expect(known.prunedAt('workflow', 'workflow-1')).toBe('2026-01-02T03:04:05.001Z');
    expect(known.prunedAt('workflow', 'workflow-2')).toBeUndefined();
  }
  expect(linesOf(dir, FILE)).toEqual([
    { kind: 'task', id: 'task-1', pruned_at: '2026-01-02T03:04:05.000Z' },
    { kind: 'workflow', id: 'workflow-1', pruned_at: '2026-01-02T03:04:05.001Z' },
    { kind: 'task', id: 'task-2', pruned_at: '2026-01-02T03:04:05.002Z' },
  ]);
});

test('a torn line is skipped, and the next one does not continue it', async () => {
  const dir = await tempDir();
  await (await Tombstones.open(dir)).add([tombstoneOf('task', 'task-1', T1)]);
  appendFileSync(join(dir, FILE), '[]\n{"kind":"task","id":7}\n{"kind":"task","id":"torn');
  const tombstones = await Tombstones.open(dir);
  await tombstones.add([tombstoneOf('task', 'task-2', T1)]);
  const again = await Tombstones.open(dir);
  expect(['task-1', 'task-2', 'torn'].map((id) => again.has('task', id))).toEqual([true, true, false]);
});

test('an entry that could not be written is not known', async () => {
  const dir = await tempDir();
  const tombstones = await Tombstones.open(dir);
  mkdirSync(join(dir, FILE));
  await expect(tombstones.add([tombstoneOf('task', 'task-1', T1)])).rejects.toThrow('EISDIR');
  expect(tombstones.has('task', 'task-1')).toBe(false);
});

test('old entries are dropped, in memory and on disk', async () => {
  const dir = await tempDir();
  const tombstones = await Tombstones.open(dir);
  await tombstones.add([tombstoneOf('task', 'old', T1), tombstoneOf('task', 'again', T1)]);
  await tombstones.add([
    tombstoneOf('workflow', 'new', T1 + DAY_MS),
    tombstoneOf('task', 'again', T1 + DAY_MS),
  ]);
  const before = readFileSync(join(dir, FILE), 'utf8');
  await tombstones.forgetOlderThan(T1);
  expect(readFileSync(join(dir, FILE), 'utf8')).toBe(before);
  await tombstones.forgetOlderThan(T1 + DAY_MS);
  for (const known of [tombstones, await Tombstones.open(dir)]) {
    expect([known.has('task', 'old'), known.has('task', 'again'), known.has('workflow', 'new')]).toEqual([
      false,
      true,
      true,
    ]);
  }
  expect(linesOf(dir, FILE)).toHaveLength(2);
  await tombstones.add([tombstoneOf('task', 'later', T1 + DAY_MS)]);
  expect((await Tombstones.open(dir)).has('task', 'later')).toBe(true);
});
