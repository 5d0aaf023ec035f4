import type { NumberField } from './searched-fields.ts';

/** A range as the text of a query gives it. */
export interface AmountRange {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly isMinOpen: boolean;
  readonly isMaxOpen: boolean;
}

const OPEN: AmountRange = { min: undefined, max: undefined, isMinOpen: false, isMaxOpen: false };

const RULES: Readonly<Record<NumberField, string>> = {
  cost: 'must be an amount such as >0.5, <=2 or 0.1..0.5',
  tokens: 'must be a number such as >1000, <=20k or 1k..2m',
  duration: 'must be a time such as >30 (seconds), <=5m or 1m..2h',
  attempt: 'must be a number such as 2 or >1',
};

/** Factors by the letter after a number. */
const UNITS: Readonly<Record<NumberField, Readonly<Record<string, number>>>> = {
  cost: { '': 1 },
  tokens: { '': 1, k: 1_000, m: 1_000_000 },
  duration: { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 },
  attempt: { '': 1 },
};

const OPERATORS = ['>=', '<=', '>', '<'] as const;

/** `>0.5`, `<=2`, `0.1..0.5`, `0.1..`, `..0.5`, `3`. Returns the rule for other texts. */
export function readRange(field: NumberField, text: string): AmountRange | string {
  const operator = OPERATORS.find((sign) => text.startsWith(sign));
  const rest = text.slice(operator?.length ?? 0);
  const dots = operator === undefined ? rest.indexOf('..') : -1;
  const [low, high] = dots < 0 ? [rest, rest] : [rest.slice(0, dots), rest.slice(dots + 2)];
  const [from, to] = [readAmount(field, low), readAmount(field, high)];
  if (dots >= 0 && low === '' && to !== undefined) return { ...OPEN, max: to };
  if (dots >= 0 && high === '' && from !== undefined) return { ...OPEN, min: from };
  if (from === undefined || to === undefined || from > to) return RULES[field];
  return {
    min: operator?.startsWith('<') === true ? undefined : from,
    max: operator?.startsWith('>') === true ? undefined : to,
    isMinOpen: operator === '>',
    isMaxOpen: operator === '<',
  };
}

/** Undefined for a text that is no amount of this field. */
export function readAmount(field: NumberField, text: string): number | undefined {
  const [, number, unit = ''] = /^\$?(\d{1,15}(?:\.\d{1,12})?)([a-z]?)$/i.exec(text) ?? [];
  const factor = UNITS[field][unit.toLowerCase()];
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
}
