import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DeliveryPage, DeliveryQuery } from '../../../../src/model/delivery.ts';
import type { JsonObject } from '../../../../src/model/json.ts';
import { createReader } from '../../../../src/store/read/reader.ts';
import { countReads } from '../../../support/count-reads.ts';
import { fc } from '../../../support/fast-check.ts';
import { newStore, tempDir } from '../../../support/log-dir.ts';
import { eventId, log } from '../../../support/records.ts';

const DAY = '2026-01-02';
const DAY_MS = 86_400_000;

interface Delivery {
  readonly timestamp: string;
  readonly event_id: string;
  readonly provider: string;
  readonly outcome: string;
}

function delivery(number: number, more: Partial<Delivery> & JsonObject = {}): Delivery & JsonObject {
  const timestamp = new Date(Date.parse(`${DAY}T00:00:00Z`) + number).toISOString();
  return {
    timestamp,
    event_id: eventId(number),
    provider: 'github',
    outcome: 'accepted',
    task_ids: [],
    ...more,
  };
}

function textOf(lines: readonly JsonObject[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

function fileOf(dir: string, day = DAY): string {
  mkdirSync(join(dir, '_webhooks'), { recursive: true });
  return join(dir, '_webhooks', `${day}.jsonl`);
}

async function allOf(dir: string, query: Partial<DeliveryQuery> = {}): Promise<JsonObject[]> {
  const reader = createReader(dir);
  const items: JsonObject[] = [];
  let cursor: string | null = null;
  do {
    const page: DeliveryPage = await reader.listDeliveries({
      limit: 7,
      ...query,
      ...(cursor !== null && { cursor }),
    });
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? 7);
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
}

const idsOf = (items: readonly JsonObject[]): unknown[] => items.map(({ event_id }) => event_id);

test('stored deliveries are listed newest first, over several days, with all fields', async () => {
  const { dir, logs } = await newStore();
  const numbers = [1, DAY_MS + 2, 2, DAY_MS, 3];
  for (const number of numbers) {
    const body = { outcome: 'rejected', reason: 'bad signature', event_type: 'push', count: 3 };
    const attributes = {
      'tasktrail.webhook.provider': 'github',
      'tasktrail.webhook.delivery_id': `d-${number}`,
    };
    const event = 'tasktrail.webhook.delivery';
    await logs(log({ event, id: eventId(number), atMs: number, body, attributes }));
  }
  const items = await allOf(dir, { limit: 2 });
  expect(items.map(({ delivery_id }) => delivery_id)).toEqual(
    [DAY_MS + 2, DAY_MS, 3, 2, 1].map((number) => `d-${number}`),
  );
  expect(items[0]).toMatchObject({
    provider: 'github',
    outcome: 'rejected',
    event_type: 'push',
    count: 3,
    stages: [],
  });
});

test('a missing directory, an empty one and one with other files list nothing', async () => {
  const dir = await tempDir();
  expect(await allOf(dir)).toEqual([]);
  mkdirSync(join(dir, '_webhooks'));
  expect(await allOf(dir)).toEqual([]);
  writeFileSync(fileOf(dir), '');
  writeFileSync(join(dir, '_webhooks', 'notes.txt'), 'x');
  mkdirSync(fileOf(dir, '2026-01-03'));
  expect(await allOf(dir)).toEqual([]);
});

test('a symbolic link to a file or folder is not followed', async () => {
  const outside = await tempDir();
  writeFileSync(fileOf(outside), textOf([delivery(1)]));
  const dir = await tempDir();
  symlinkSync(join(outside, '_webhooks'), join(dir, '_webhooks'));
  expect(await allOf(dir)).toEqual([]);
  const other = await tempDir();
  symlinkSync(fileOf(outside), fileOf(other));
  expect(await allOf(other)).toEqual([]);
});

test('lines in any order are listed in order, without a repeat or a gap, for every page size', {
  tags: 'full',
}, async () => {
  const line = fc.record({ number: fc.nat(400), wide: fc.boolean(), repeated: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 120 }),
      fc.integer({ min: 1, max: 50 }),
      async (lines, limit) => {
        const dir = await tempDir();
        const text = lines.map(({ number, wide, repeated }) => {
          // Some are as long as a block, so that there are many blocks.
          const one = delivery(number, wide ? { reason: 'x'.repeat(40_000) } : {});
          return textOf(repeated ? [one, one] : [one]);
        });
        writeFileSync(fileOf(dir), text.join(''));
        const expected = [...new Set(lines.map(({ number }) => number))].sort((a, b) => b - a).map(eventId);
        expect(idsOf(await allOf(dir, { limit }))).toEqual(expected);
      },
    ),
    { numRuns: 25 },
  );
});

/** Lines so long that each group fills a block. */
function blocksOf(...groups: readonly (readonly number[])[]): string {
  return groups
    .map((numbers) => textOf(numbers.map((number) => delivery(number, { reason: WIDE }))))
    .join('');
}

const WIDE = 'x'.repeat(70_000);

test('the newest deliveries are found at every position in the file', async () => {
  const dir = await tempDir();
  writeFileSync(fileOf(dir), blocksOf([91, 92], [11, 12], [51, 52], [71, 72], [31, 32]));
  const expected = [92, 91, 72, 71, 52, 51, 32, 31, 12, 11].map(eventId);
  for (const limit of [1, 2, 3, 10]) expect(idsOf(await allOf(dir, { limit }))).toEqual(expected);
});

test('a file that was rewritten in place is indexed again, also with the same size', async () => {
  const dir = await tempDir();
  const reader = createReader(dir);
  const first = async (): Promise<unknown[]> => idsOf((await reader.listDeliveries({ limit: 1 })).items);
  writeFileSync(fileOf(dir), blocksOf([11, 12], [31, 32], [91, 92]));
  expect(await first()).toEqual([eventId(92)]);
  writeFileSync(fileOf(dir), blocksOf([91, 92], [31, 32], [11, 12]));
  expect(await first()).toEqual([eventId(92)]);
  writeFileSync(fileOf(dir), blocksOf([11, 12], [93, 94]));
  expect(await first()).toEqual([eventId(94)]);
});

test('deliveries of the same millisecond are ordered by their ids', async () => {
  const dir = await tempDir();
  const timestamp = `${DAY}T12:00:00.000Z`;
  writeFileSync(fileOf(dir), textOf([2, 5, 1, 4, 3].map((number) => delivery(number, { timestamp }))));
  expect(idsOf(await allOf(dir, { limit: 2 }))).toEqual([5, 4, 3, 2, 1].map(eventId));
});

test('invalid, torn, foreign and misplaced lines are skipped, valid ones around them are not', async () => {
  const dir = await tempDir();
  const good = [delivery(1), delivery(2), delivery(3)].map((line) => JSON.stringify(line));
  const bad = [
    '',
    'not json',
    '{"timestamp":"2026-01-02T00:00:00.000Z","event_id":"torn',
    `${good[0]?.slice(0, 60)}${good[1]}`,
    '[]',
    'null',
    '{"timestamp":5,"event_id":"x"}',
    '{"timestamp":"2026-01-02T00:00:00.000Z"}',
    JSON.stringify(delivery(9, { timestamp: '1999-01-01T00:00:00.000Z' })),
    '\u0000\u0000\u0000',
  ];
  writeFileSync(
    fileOf(dir),
    `${[...bad, good[0], ...bad, good[1], ...bad, good[2]].join('\n')}\n{"timestamp":"2026-`,
  );
  expect(idsOf(await allOf(dir, { limit: 1 }))).toEqual([3, 2, 1].map(eventId));
});

test('a line with its fields in another order, and a last line without a newline, are listed', async () => {
  const dir = await tempDir();
  const { event_id, provider, ...rest } = delivery(1);
  writeFileSync(
    fileOf(dir),
    `${JSON.stringify({ provider, event_id, ...rest })}\n${JSON.stringify(delivery(2))}`,
  );
  expect(idsOf(await allOf(dir))).toEqual([eventId(2), eventId(1)]);
});

test('filters match exact values, and a page is filled with matching deliveries', {
  tags: 'full',
}, async () => {
  const dir = await tempDir();
  const providers = ['github', 'slack', 'my "own"', 'git'];
  const outcomes = ['accepted', 'rejected'];
  const lines = Array.from({ length: 400 }, (_, number) =>
    delivery(number, {
      provider: providers[number % 4] ?? '',
      outcome: outcomes[Math.floor(number / 4) % 2] ?? '',
      // The same word in another field does not match.
      reason: '"slack" "accepted"',
    }),
  );
  writeFileSync(fileOf(dir), textOf(lines));
  for (const provider of [undefined, ...providers, 'nobody']) {
    for (const outcome of [undefined, 'accepted', 'rejected', 'duplicate'] as const) {
      const expected = lines
        .filter((line) => provider === undefined || line.provider === provider)
        .filter((line) => outcome === undefined || line.outcome === outcome);
      const items = await allOf(dir, { provider, outcome, limit: 40 });
      expect(idsOf(items)).toEqual(idsOf(expected.reverse()));
    }
  }
});

test('since is inclusive and until is exclusive, within a day and over days', { tags: 'full' }, async () => {
  const dir = await tempDir();
  const at = (day: string, time: string): string => `${day}T${time}.000Z`;
  const days = ['2026-01-02', '2026-01-03', '2026-01-04'];
  const times = ['00:00:00', '12:00:00', '23:59:59'];
  const all = days.flatMap((day) => times.map((time) => at(day, time)));
  for (const day of days) {
    const lines = times.map((time) => delivery(0, { timestamp: at(day, time), event_id: at(day, time) }));
    writeFileSync(fileOf(dir, day), textOf(lines));
  }
  const bounds = [undefined, ...all, '2026-01-01', '2026-01-03', '2026-02-01'];
  for (const since of bounds) {
    for (const until of bounds) {
      const from = since === undefined ? '' : new Date(since).toISOString();
      const to = until === undefined ? '9' : new Date(until).toISOString();
      const expected = all.filter((time) => time >= from && time < to).reverse();
      expect(idsOf(await allOf(dir, { since, until, limit: 2 })), `${since} to ${until}`).toEqual(expected);
    }
  }
});

test('a cursor continues at its position after new deliveries', async () => {
  const dir = await tempDir();
  const reader = createReader(dir);
  writeFileSync(fileOf(dir), textOf([1, 2, 3, 4].map((number) => delivery(number * 10))));
  const first = await reader.listDeliveries({ limit: 2 });
  expect(idsOf(first.items)).toEqual([40, 30].map(eventId));
  // A newer one, a late one among those listed, and one among those to come.
  appendFileSync(fileOf(dir), textOf([50, 35, 15].map((number) => delivery(number))));
  writeFileSync(fileOf(dir, '2026-01-03'), textOf([delivery(DAY_MS)]));
  const second = await reader.listDeliveries({ limit: 10, cursor: first.nextCursor ?? '' });
  expect(idsOf(second.items)).toEqual([20, 15, 10].map(eventId));
  expect(second.nextCursor).toBeNull();
});

test('a reader sees files that were appended to, truncated, changed in place, replaced and removed', async () => {
  const dir = await tempDir();
  const path = fileOf(dir);
  const reader = createReader(dir);
  const ids = async (): Promise<unknown[]> => idsOf((await reader.listDeliveries({ limit: 50 })).items);
  for (let number = 1; number <= 20; number += 1) {
    appendFileSync(path, textOf([delivery(number)]));
    expect(await ids()).toHaveLength(number);
  }
  const half = JSON.stringify(delivery(21));
  appendFileSync(path, half.slice(0, 30));
  expect(await ids()).toHaveLength(20);
  appendFileSync(path, `${half.slice(30)}\n`);
  expect(await ids()).toHaveLength(21);
  truncateSync(path, textOf([delivery(1)]).length);
  expect(await ids()).toEqual([eventId(1)]);
  writeFileSync(path, readFileSync(path, 'utf8').replace(eventId(1), eventId(7)));
  expect(await ids()).toEqual([eventId(7)]);
  rmSync(path);
  writeFileSync(path, textOf([delivery(8), delivery(9)]));
  expect(await ids()).toEqual([eventId(9), eventId(8)]);
  rmSync(path);
  expect(await ids()).toEqual([]);
});

test.each(['x', '', '{}', Buffer.from('[1]').toString('base64url'), 'a'.repeat(5_000)])(
  'an invalid cursor is an error: %s',
  async (cursor) => {
    const reader = createReader(await tempDir());
    await expect(reader.listDeliveries({ limit: 1, cursor })).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
    });
  },
);

test('a page of a day with 100,000 deliveries takes little memory, and later pages read only a few blocks', {
  tags: 'full',
  timeout: 120_000,
}, async () => {
  const dir = await tempDir();
  const path = fileOf(dir);
  const stages = Array.from({ length: 5 }, (_, index) => ({
    stage: `stage ${index}`,
    note: 'x'.repeat(100),
  }));
  for (let chunk = 0; chunk < 100; chunk += 1) {
    // Each thousand in reverse order.
    const lines = Array.from({ length: 1_000 }, (_, index) =>
      delivery(chunk * 1_000 + 999 - index, { stages }),
    );
    appendFileSync(path, textOf(lines));
  }
  const { size } = statSync(path);
  const reader = createReader(dir);
  const reads = await countReads();
  const before = process.memoryUsage().rss;
  const first = await reader.listDeliveries({ limit: 50 });
  expect(idsOf(first.items)).toEqual(Array.from({ length: 50 }, (_, index) => eventId(99_999 - index)));
  // The file has 80 MB; parsed it would take several hundreds.
  expect(process.memoryUsage().rss - before).toBeLessThan(80 * 1_048_576);
  // Each line is read once for the index, and those of a block once more.
  expect(reads.bytes).toBeGreaterThan(size);
  expect(reads.bytes).toBeLessThan(1.2 * size);
  reads.bytes = 0;
  let cursor = first.nextCursor ?? '';
  for (let page = 1; page < 40; page += 1) {
    const next = await reader.listDeliveries({ limit: 50, cursor });
    expect(next.items[0]?.event_id).toBe(eventId(99_999 - page * 50));
    cursor = next.nextCursor ?? '';
  }
  // The index is kept: a later page reads a few blocks of 128 KiB.
  expect(reads.bytes / 39).toBeLessThan(1_048_576);
});
