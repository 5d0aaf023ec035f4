import { expect, test } from 'vitest';
import type { OtlpSpan } from '../../../src/model/otlp.ts';
import { KeyedQueue } from '../../../src/store/write/keyed-queue.ts';
import { OpenUnits, type Unit } from '../../../src/store/write/open-units.ts';
import { span, spanId } from '../../support/records.ts';

/** A unit that records its calls. */
class FakeUnit implements Unit<string> {
  readonly standing = { owner: undefined, isOver: false, taskIds: new Set<string>() };
  readonly badLines = 2;
  readonly applied: string[] = [];
  readonly spans: OtlpSpan[] = [];
  isDue = false;
  isDone = false;
  isAtRest = false;
  ticks = 0;
  failure: Error | undefined;

  async apply(changes: readonly string[]): Promise<number> {
    if (this.failure !== undefined) throw this.failure;
    this.applied.push(...changes);
    return changes.length;
  }

  async tick(): Promise<readonly OtlpSpan[]> {
    this.ticks += 1;
    if (this.failure !== undefined) throw this.failure;
    return this.spans.splice(0);
  }

  isIdle(): boolean {
    return this.isDone;
  }
}

interface Fixture {
  readonly units: OpenUnits<string>;
  /** Opened units by id, each in the order of opening. */
  readonly opened: Map<string, FakeUnit[]>;
  /** Total of the reported invalid lines. */
  badLines(): number;
  apply(id: string, ...changes: string[]): Promise<number>;
  tick(): Promise<{ spans: OtlpSpan[]; errors: string[] }>;
}

function openUnits(max = 10): Fixture {
  const opened = new Map<string, FakeUnit[]>();
  let badLines = 0;
  const units = new OpenUnits<string>({
    kind: 'task',
    max,
    queue: new KeyedQueue(),
    now: () => 0,
    exists: async (id) => opened.has(id),
    open: async (id) => {
      const unit = new FakeUnit();
      opened.set(id, [...(opened.get(id) ?? []), unit]);
      return unit;
    },
    onBadLines: (count) => {
      badLines += count;
    },
  });
  return {
    units,
    opened,
    badLines: () => badLines,
    apply: (id, ...changes) => units.alone(id, () => units.apply(id, changes)),
    tick: async () => {
      const spans: OtlpSpan[] = [];
      const errors: string[] = [];
      await units.tick({
        isClosed: () => false,
        onSpan: (one) => spans.push(one),
        onError: async (id, error) => errors.push(`${id}: ${String(error)}`),
      });
      return { spans, errors };
    },
  };
}

test('a unit is opened once and reports its invalid lines then', async () => {
  const { apply, opened, badLines } = openUnits();
  expect(await apply('a', 'x', 'y')).toBe(2);
  await apply('a', 'z');
  expect(opened.get('a')?.map(({ applied }) => applied)).toEqual([['x', 'y', 'z']]);
  expect(badLines()).toBe(2);
});

test('the least recently used unit is closed, unless it has work left', async () => {
  const { apply, opened } = openUnits(2);
  await apply('a', '1');
  await apply('b', '1');
  await apply('a', '2');
  await apply('c', '1');
  await apply('a', '3');
  expect(opened.get('a')).toHaveLength(1);
  await apply('b', '2');
  expect(opened.get('b')).toHaveLength(2);
  for (const units of opened.values()) for (const unit of units) unit.isDue = true;
  await apply('d', '1');
  await apply('b', '3');
  expect(opened.get('b')).toHaveLength(2);
});

test('a unit whose files are gone is opened again, once', async () => {
  const { apply, opened } = openUnits();
  await apply('a', '1');
  const [unit] = opened.get('a') ?? [];
  if (unit !== undefined) unit.failure = Object.assign(new Error('gone'), { code: 'ENOENT' });
  expect(await apply('a', '2')).toBe(1);
  expect(opened.get('a')?.map(({ applied }) => applied)).toEqual([['1'], ['2']]);
});

test('after any other error the call fails and the next one opens the unit again', async () => {
  const { apply, opened } = openUnits();
  await apply('a', '1');
  const [unit] = opened.get('a') ?? [];
  if (unit !== undefined) unit.failure = new Error('full');
  await expect(apply('a', '2')).rejects.toThrow('full');
  expect(await apply('a', '2')).toBe(1);
  expect(opened.get('a')).toHaveLength(2);
});

test('a forgotten unit is opened again', async () => {
  const { units, apply, opened } = openUnits();
  await apply('a', '1');
  units.forget('a');
  await apply('a', '2');
  expect(opened.get('a')).toHaveLength(2);
});

test('a tick collects spans, reports errors and closes failed and idle units', async () => {
  const { apply, opened, tick } = openUnits();
  for (const id of ['a', 'b', 'c']) await apply(id, '1');
  const [a, b, c] = ['a', 'b', 'c'].map((id) => opened.get(id)?.[0]);
  a?.spans.push(span({ id: spanId(1) }).span);
  if (b !== undefined) b.failure = new Error('full');
  if (c !== undefined) c.isDone = true;
  const { spans, errors } = await tick();
  expect(spans).toHaveLength(1);
  expect(errors).toEqual(['b: Error: full']);
  for (const id of ['a', 'b', 'c']) await apply(id, '2');
  expect(['a', 'b', 'c'].map((id) => opened.get(id)?.length)).toEqual([1, 2, 2]);
});

test('a unit at rest is not ticked, and is closed all the same when it is idle', async () => {
  const { units, opened, apply, tick } = openUnits();
  await apply('a', '1');
  await apply('b', '1');
  const [a, b] = ['a', 'b'].map((id) => opened.get(id)?.[0] as FakeUnit);
  Object.assign(a as FakeUnit, { isAtRest: true });
  await tick();
  expect([a?.ticks, b?.ticks]).toEqual([0, 1]);
  Object.assign(a as FakeUnit, { isDone: true });
  await tick();
  expect([units.has('a'), units.has('b')]).toEqual([false, true]);
});
