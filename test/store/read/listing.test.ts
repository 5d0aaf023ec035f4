import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  createWindow,
  newestFirst,
  readVersion,
  type SortKey,
  takePage,
} from '../../../src/store/read/listing.ts';
import { mapBounded } from '../../../src/system/files/map-bounded.ts';
import { fc } from '../../support/fast-check.ts';
import { tempDir } from '../../support/log-dir.ts';

const key = (at: string, id = 'x'): SortKey => ({ at, id });
const DAY1 = '2026-01-01T00:00:00.000Z';
const DAY2 = '2026-01-02T00:00:00.000Z';

test('items are sorted newest first, then by id, and items without a time come last', () => {
  const keys = [key('', 'b'), key(DAY1, 'a'), key(DAY2, 'a'), key(DAY1, 'b'), key('', 'a')];
  expect(keys.sort(newestFirst).map(({ at, id }) => `${at.slice(8, 10)}${id}`)).toEqual([
    '02a',
    '01b',
    '01a',
    'b',
    'a',
  ]);
  expect(newestFirst(key(DAY1), key(DAY1))).toBe(0);
});

test('pages of every size return each item once, also with new items in between', () => {
  const item = fc.record({ at: fc.constantFrom('', DAY1, DAY2), id: fc.uuid() });
  fc.assert(
    fc.property(
      fc.uniqueArray(item, { selector: ({ id }) => id }),
      fc.integer({ min: 1, max: 9 }),
      (items, limit) => {
        const seen: SortKey[] = [];
        let cursor: string | undefined;
        let all: readonly SortKey[] = items;
        do {
          const isInWindow = createWindow({ ...(cursor !== undefined && { cursor }) });
          const { page, nextCursor } = takePage(all.filter(isInWindow), limit);
          seen.push(...page);
          cursor = nextCursor ?? undefined;
          all = [{ at: '2026-01-03T00:00:00.000Z', id: `new-${seen.length}` }, ...all];
        } while (cursor !== undefined);
        expect(seen).toEqual([...items].sort(newestFirst));
      },
    ),
  );
});

test('since is inclusive, until is exclusive, and until excludes items without a time', () => {
  expect([DAY1, DAY2, ''].map((at) => createWindow({ since: DAY2 })(key(at)))).toEqual([false, true, false]);
  expect([DAY1, DAY2, ''].map((at) => createWindow({ until: DAY2 })(key(at)))).toEqual([true, false, false]);
  expect(createWindow({ since: '2026-01-02T01:00:00+01:00' })(key(DAY2))).toBe(true);
});

test.each([{ since: 'soon' }, { until: '2026-13-01' }, { cursor: 'x' }, { cursor: 'e30' }])(
  'the window %j is invalid',
  (window) => {
    expect(() => createWindow(window)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
  },
);

test('the version of a file changes with its content, and exists only for regular files', async () => {
  const dir = await tempDir();
  const path = join(dir, 'file');
  writeFileSync(path, 'a');
  const version = await readVersion(path);
  expect(await readVersion(path)).toEqual(version);
  appendFileSync(path, 'b');
  expect(await readVersion(path)).not.toEqual(version);
  mkdirSync(join(dir, 'folder'));
  symlinkSync('file', join(dir, 'link'));
  for (const name of ['missing', 'folder', 'link', 'file/below'])
    expect(await readVersion(join(dir, name))).toBeUndefined();
});

test('work is done for each item once, in bounded number, with results in order', async () => {
  const items = Array.from({ length: 100 }, (_, index) => index);
  let running = 0;
  let most = 0;
  const results = await mapBounded(items, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return item * 2;
  });
  expect(results).toEqual(items.map((item) => item * 2));
  expect(most).toBe(16);
  await expect(mapBounded(items, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
});
