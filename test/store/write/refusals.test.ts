import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import { Refusals } from '../../../src/store/write/refusals.ts';
import { tempDir } from '../../support/log-dir.ts';

const FULL = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

test('a disk counts as full until the refused file is written, also when it accepts other writes', async () => {
  const books = new Books();
  const refusals = new Refusals(await tempDir(), books, () => 0);
  await expect(refusals.refuse('task a', FULL)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  refusals.clear('task b');
  expect(books.reasons.get('store')).toContain('ENOSPC');
  refusals.clear('task a');
  expect(books.reasons.size).toBe(0);
});

test('the refusal of a sender that never retries expires', async () => {
  const books = new Books();
  let nowMs = 1_000;
  const refusals = new Refusals(await tempDir(), books, () => nowMs);
  await expect(refusals.refuse('task a', FULL)).rejects.toThrow('task a');
  nowMs += 30_001;
  refusals.clear('task b');
  expect(books.reasons.size).toBe(0);
});
