import { type FieldValue, fieldValues } from '../../model/field-values.ts';
import { PAST_TIME_RULE, pastTime } from '../../model/past-time.ts';
import { QueryError } from '../../model/query-error.ts';
import { firstOfText } from '../../model/text.ts';
import { textTerm } from '../text/text-match.ts';
import { readRange } from './amounts.ts';
import type { FieldClause, ParsedQuery, TermClause } from './clauses.ts';
import { ALL_FIELDS, type QueryFields, TASK_FIELDS, TIME_FIELDS } from './query-fields.ts';

/** Longer than anything that people type; each further word costs time in every task. */
const CHARACTERS_MAX = 4_096;
const CLAUSES_MAX = 64;
const VALUES_MAX = 64;

/** A part of a query as it was typed. */
interface Part {
  /** Offset of its first character. */
  readonly at: number;
  readonly isNegated: boolean;
  /** Before the colon; undefined for words and phrases. */
  readonly name: string | undefined;
  readonly value: string;
  /** Offset of the value. */
  readonly valueAt: number;
  readonly isQuoted: boolean;
}

/**
 * Reads what people type: words, `"phrases"`, `field:value`, each with a `-` in front for its opposite. Text before a colon
 * that is no field of a list is part of a word, so that pasted errors and addresses are found. Throws `QueryError`.
 */
export function parseQuery(q: string, nowMs: number, known: QueryFields = TASK_FIELDS): ParsedQuery {
  const fail = (offset: number, problem: string): never => {
    throw new QueryError([...q.slice(0, offset)].length + 1, problem);
  };
  if (q.length > CHARACTERS_MAX) fail(CHARACTERS_MAX, `a query has at most ${CHARACTERS_MAX} characters`);
  const control = /[^\P{Cc}\t\n\r]/u.exec(q);
  if (control !== null) fail(control.index, 'a control character');
  const fields: FieldClause[] = [];
  const terms: TermClause[] = [];
  const times: { since?: string; until?: string } = {};
  const parts = partsOf(q, known, fail);
  for (const [index, part] of parts.entries()) {
    if (index >= CLAUSES_MAX) fail(part.at, `a query has at most ${CLAUSES_MAX} words and fields`);
    const time = TIME_FIELDS.find((name) => name === part.name);
    if (time !== undefined) times[time] = timeOf(part, time, nowMs, fail);
    else if (part.name !== undefined) fields.push(fieldOf(part, known, fail));
    else {
      const term = termOf(part);
      // `a && b`: signs of a pasted text are no words.
      if (term !== undefined) terms.push(term);
      else if (parts.length === 1)
        fail(part.at, 'nothing to search for: a letter, a digit or a symbol is needed');
    }
  }
  return { fields, terms, since: times.since, until: times.until };
}

type Fail = (offset: number, problem: string) => never;

function partsOf(q: string, known: QueryFields, fail: Fail): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(q[at])) at += 1;
    if (at >= q.length) return parts;
    const start = at;
    const isNegated = q[at] === '-' && at + 1 < q.length && !isSpace(q[at + 1]);
    if (isNegated) at += 1;
    const name = /^[a-z_]{1,20}(?=:)/i.exec(q.slice(at, at + 21))?.[0];
    const isField = name !== undefined && isOwnField(name, known);
    // `Status: it is done` of a pasted text has a space behind the colon.
    if (name !== undefined && !isField && !isSpace(q[at + name.length + 1] ?? ' '))
      checkName(name, known, (problem) => fail(at, problem));
    if (isField) at += name.length + 1;
    const valueAt = at;
    const isQuoted = q[at] === '"';
    let value: string;
    if (isQuoted) {
      const end = q.indexOf('"', at + 1);
      if (end < 0) fail(at, 'the quote is not closed');
      value = q.slice(at + 1, end);
      at = end + 1;
    } else {
      while (at < q.length && !isSpace(q[at])) {
        // `say"hello"`: more likely a missing space than a word with quotes.
        if (q[at] === '"') fail(at, 'a quote inside a word: put a space before it');
        at += 1;
      }
      value = q.slice(valueAt, at);
    }
    parts.push({ at: start, isNegated, name: isField ? name : undefined, value, valueAt, isQuoted });
  }
}

function hasField({ texts, numbers }: QueryFields, name: string): boolean {
  return Object.hasOwn(texts, name) || Object.hasOwn(numbers, name);
}

function isOwnField(name: string, known: QueryFields): boolean {
  return TIME_FIELDS.some((time) => time === name) || hasField(known, name);
}

/** A field in other letters, or of another list, is a mistake and no word. */
function checkName(name: string, known: QueryFields, fail: (problem: string) => never): void {
  const lower = name.toLowerCase();
  if (isOwnField(lower, known)) fail(`fields are in lower case: ${lower}; put quotes around a text`);
  if (name !== lower || !ALL_FIELDS.some((fields) => hasField(fields, name))) return;
  fail(`${known.of} have no field ${name}; put quotes around a text`);
}

function fieldOf(part: Part, known: QueryFields, fail: Fail): FieldClause {
  const { name = '', value, valueAt, isNegated } = part;
  if (value === '') fail(valueAt, `${name}: a value must follow`);
  const number = known.numbers[name];
  if (number !== undefined) {
    const range = readRange(number, value);
    if (typeof range === 'string') return fail(valueAt, `${name}: ${range}`);
    return { kind: 'number', field: number, ...range, isNegated };
  }
  const field = known.texts[name] ?? fail(part.at, `there is no field ${name}`);
  const allowed = known.known[field];
  const values = valuesOf(part);
  let at = valueAt;
  for (const [index, { text, isPrefix }] of values.entries()) {
    if (index >= VALUES_MAX) fail(at, `${name}: a field has at most ${VALUES_MAX} values`);
    if (text === '' && !isPrefix) fail(at, `${name}: a value must follow`);
    if (allowed !== undefined && !isPrefix && !allowed.includes(text))
      fail(at, `${name}: ${JSON.stringify(firstOfText(text, 40))} is not one of ${allowed.join(', ')}`);
    at += text.length + (isPrefix ? 2 : 1);
  }
  return { kind: 'text', field, values, isNegated };
}

function valuesOf({ value, isQuoted }: Part): readonly FieldValue[] {
  return isQuoted ? [{ text: value, isPrefix: false }] : fieldValues(value);
}

function timeOf({ value, valueAt, isNegated, at }: Part, name: string, nowMs: number, fail: Fail): string {
  if (isNegated) fail(at, `${name}: cannot be negated`);
  return pastTime(value, nowMs) ?? fail(valueAt, `${name}: must be ${PAST_TIME_RULE}`);
}

/** Undefined for signs alone. */
function termOf({ value, isQuoted, isNegated }: Part): TermClause | undefined {
  const isPrefix = !isQuoted && value.length > 1 && value.endsWith('*');
  const term = textTerm(isPrefix ? value.slice(0, -1) : value, isPrefix);
  return term && { term, isNegated };
}

function isSpace(character: string | undefined): boolean {
  return character !== undefined && /\s/.test(character);
}
