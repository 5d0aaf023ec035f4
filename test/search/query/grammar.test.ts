import { expect, test } from 'vitest';
import { QueryError } from '../../../src/model/query-error.ts';
import { parseQuery } from '../../../src/search/query/grammar.ts';
import { fc } from '../../support/fast-check.ts';

const NOW = Date.parse('2026-06-01T12:00:00.000Z');

function parse(q: string): ReturnType<typeof parseQuery> {
  return parseQuery(q, NOW);
}

test('words, phrases and fields are read as people type them', () => {
  const { fields, terms } = parse(
    'refund "Credit Card" status:failed,abandoned cost:>0.5 repo:acme/* -tool:Bash',
  );
  expect(terms.map(({ term, isNegated }) => [term.text, isNegated])).toEqual([
    ['refund', false],
    ['credit card', false],
  ]);
  expect(fields).toEqual([
    {
      kind: 'text',
      field: 'status',
      values: [
        { text: 'failed', isPrefix: false },
        { text: 'abandoned', isPrefix: false },
      ],
      isNegated: false,
    },
    {
      kind: 'number',
      field: 'cost',
      min: 0.5,
      max: undefined,
      isMinOpen: true,
      isMaxOpen: false,
      isNegated: false,
    },
    { kind: 'text', field: 'repo', values: [{ text: 'acme/', isPrefix: true }], isNegated: false },
    { kind: 'text', field: 'tool', values: [{ text: 'Bash', isPrefix: false }], isNegated: true },
  ]);
});

test.each([
  ['cost:0.1..0.5', { min: 0.1, max: 0.5 }],
  ['tokens:<=20k', { min: undefined, max: 20_000 }],
  ['duration:>=5m', { min: 300, max: undefined }],
  ['attempt:2', { min: 2, max: 2 }],
])('%s is a range', (q, range) => {
  expect(parse(q).fields[0]).toMatchObject(range);
});

test('times are relative to now, or ISO 8601', () => {
  expect(parse('since:2h until:2026-05-31')).toMatchObject({
    since: '2026-06-01T10:00:00.000Z',
    until: '2026-05-31T00:00:00.000Z',
  });
});

test('an address or a pasted error is text, not a field', () => {
  const { fields, terms } = parse('https://a.example/x TypeError:boom 12:30');
  expect(fields).toEqual([]);
  expect(terms.map(({ term }) => term.text)).toEqual(['https://a.example/x', 'typeerror:boom', '12:30']);
});

test.each([
  ['status:faild', 8],
  ['a status:failed,wrong', 17],
  ['refund cost:much', 13],
  ['cost:5..1', 6],
  ['😀 "open', 3],
  ['say"hello"', 4],
  ['repo:', 6],
  ['ok since:yesterday', 10],
  ['-since:2h', 1],
  ['ok \0', 4],
  ['->', 1],
  ['tool:a,,b', 8],
])('%j has a mistake at character %i', (q, position) => {
  expect(() => parse(q)).toThrow(expect.objectContaining({ position, code: 'ERR_INPUT_INVALID' }));
});

test('words of SQL and of FTS5 are words', () => {
  const { terms } = parse("DROP TABLE task; -- a OR b AND NEAR(c) 'x' % _x rowid:1");
  expect(terms.map(({ term }) => term.words)).toContainEqual(['or']);
  expect(terms.map(({ term }) => term.text)).toContain('near(c)');
});

test.each([
  ['Status:failed', 'fields are in lower case: status'],
  ['x -STATUS:failed', 'fields are in lower case: status'],
  ['phase:build', 'tasks have no field phase'],
  ['cost:..', 'cost: must be an amount'],
])('%s is a mistake', (q, problem) => {
  expect(() => parse(q)).toThrow(problem);
});

test.each(['TypeError: x', 'Status: it is done', 'event: push', 'https://a.example/x', '"Status:failed"'])(
  '%s is text',
  (q) => {
    expect(parse(q).fields).toEqual([]);
  },
);

test('the length and the number of words are limited', () => {
  expect(() => parse('a'.repeat(100_000))).toThrow('at most 4096 characters');
  expect(() => parse('a '.repeat(1_000))).toThrow(expect.objectContaining({ position: 129 }));
});

test('every text is either read or refused at one of its characters', () => {
  const piece = fc.constantFrom(
    '"',
    ' ',
    ':',
    '-',
    '*',
    'cost',
    'status:',
    '>',
    '..',
    'a',
    '😀',
    '中文',
    '\0',
    ',',
  );
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(texts, (q) => {
      try {
        parse(q);
      } catch (error) {
        expect(error).toBeInstanceOf(QueryError);
        const { position } = error as QueryError;
        expect(position).toBeGreaterThan(0);
        expect(position).toBeLessThanOrEqual([...q].length + 1);
      }
    }),
  );
});

test('a field has a bounded number of values, and the mistake names the first one too many', () => {
  const values = Array.from({ length: 65 }, () => 'a*').join(',');
  expect(parse(`agent:${values.slice(0, -3)}`).fields[0]).toMatchObject({ values: { length: 64 } });
  expect(() => parse(`agent:${values}`)).toThrow(expect.objectContaining({ position: 7 + 64 * 3 }));
});
