import { expect, test } from 'vitest';
import { givenId, inRange, storedId } from '../../src/warehouse/line-order.ts';
import { is, isOneOf, quoted, rowsOfUnit, shardOf } from '../../src/warehouse/logsql.ts';
import { fc } from '../support/fast-check.ts';

/** One string of Go, from its first quote to its last: nothing in it ends it early. */
const STRING = /^"(?:[^"\\\n]|\\(?:[abfnrtv\\"]|u[0-9a-f]{4}))*"$/;

const text = fc.string({ unit: 'binary', maxLength: 60 });
const halves = fc
  .array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 8 })
  .map((units) => String.fromCharCode(...units));
const hostile = fc.oneof(
  text,
  halves,
  fc.constantFrom('" or *', '\\', '\\"', '"', "'", '`', '|', '#', '\n', '\u0000', '*', ''),
);

test('any value is one string of LogsQL, which reads as the value', () => {
  fc.assert(
    fc.property(hostile, (value) => {
      const found = quoted(value);
      expect(found).toMatch(STRING);
      // An escape of half a character is no escape of Go: LogsQL would take the quote for a word.
      expect(found).not.toMatch(/\\ud[89a-f]/i);
      expect(JSON.parse(found)).toBe(value.toWellFormed());
    }),
  );
});

test('outside of its strings a query has no text of a value', () => {
  fc.assert(
    fc.property(hostile, hostile, (one, other) => {
      const place = { at: 5, id: one };
      const query = [
        rowsOfUnit(['output', 'fact'], one),
        is('sender', other),
        isOneOf('id', [one, other]),
        inRange({ after: place, from: place, before: place, to: { at: 6, id: other } }),
      ].join(' ');
      const bare = query.replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
      expect(bare).toBe(
        '{app="",kind in ("",""),shard in ("")} "":in("") "":="" "":in("","") ' +
          '(at:>5 or (at:=5 and id:string_range("",""))) (at:>5 or (at:=5 and id:string_range("",""))) ' +
          '(at:<5 or (at:=5 and id:string_range("",""))) (at:<6 or (at:=6 and id:string_range("","")))',
      );
    }),
  );
});

test('a unit is always in the same part, and units are spread over the parts', () => {
  const parts = new Set(Array.from({ length: 1_000 }, (_, index) => shardOf(`task-${index}`)));
  expect(parts.size).toBe(32);
  expect(shardOf('task-1')).toBe(shardOf('task-1'));
});

test('a stored id is the id, has no digit, and is in the order of the bytes', () => {
  fc.assert(
    fc.property(hostile, hostile, (one, other) => {
      expect(givenId(storedId(one))).toBe(one.toWellFormed());
      expect(storedId(one)).toMatch(/^[a-p]*$/);
      const order = Buffer.compare(Buffer.from(one.toWellFormed()), Buffer.from(other.toWellFormed()));
      expect(storedId(one) < storedId(other) ? -1 : storedId(one) > storedId(other) ? 1 : 0).toBe(order);
    }),
  );
});
