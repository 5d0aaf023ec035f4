import { expect, test } from 'vitest';
import { MarkedPlace } from '../../../src/warehouse/marked-place.ts';
import { PlaceOrder } from '../../../src/warehouse/read/place-order.ts';
import { fc } from '../../support/fast-check.ts';

const LATEST = '2026-01-02T03:04:05Z';
const LATEST_MS = Date.parse(LATEST);

const mark = fc.record({
  id: fc.integer({ min: 0, max: 9 }).map((number) => `task-${number}`),
  sender: fc.constantFrom('trail', 'agent', 'anonymous'),
  first: fc.constantFrom(undefined, '0', '1000', '2000'),
  created: fc.constantFrom(undefined, '-5000', '500', '1000', '3000'),
});

test('tasks stand in the order of creation whatever marks come, and each stands once', () => {
  fc.assert(
    fc.property(fc.array(mark, { maxLength: 40 }), fc.nat(40), (marks, loaded) => {
      const places = new Map<string, MarkedPlace>();
      const add = ({ id, ...row }: (typeof marks)[number], order?: PlaceOrder): void => {
        const known = places.get(id);
        const place = known ?? new MarkedPlace(id);
        places.set(id, place);
        const change = (): void => place.add({ ...row, latest: LATEST });
        if (order === undefined) change();
        else order.move(place, known !== undefined, change);
      };
      for (const one of marks.slice(0, loaded)) add(one);
      const order = new PlaceOrder([...places.values()]);
      for (const one of marks.slice(loaded)) add(one, order);
      const sorted = [...places.values()]
        .map(({ id, at }) => ({ id, at }))
        .sort((a, b) => (a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1));
      expect(order.before(undefined, undefined, 100)).toEqual(sorted);
      for (const [index, place] of sorted.entries())
        expect(order.before(place, undefined, 3)).toEqual(sorted.slice(index + 1, index + 4));
      const until = new Date(1_000).toISOString();
      expect(order.before(undefined, until, 100)).toEqual(sorted.filter(({ at }) => at !== '' && at < until));
    }),
  );
});

test('what anonymous senders say counts only where no other sender has anything, and no task is of the future', () => {
  const place = new MarkedPlace('task-1');
  expect(place.at).toBe('');
  place.add({ sender: 'anonymous', first: '9000', created: '1000', latest: LATEST });
  expect(place.ms).toBe(1_000);
  place.add({ sender: 'agent', first: '8000', latest: LATEST });
  expect(place.ms).toBe(8_000);
  place.add({ sender: 'trail', first: '8500', created: String(LATEST_MS + 5), latest: LATEST });
  expect(place.ms).toBe(LATEST_MS);
});
