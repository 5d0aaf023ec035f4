import type { FieldValue } from '../../model/field-values.ts';
import type { TextTerm } from '../text/text-match.ts';
import type { NumberField, TextField } from './searched-fields.ts';

/** One of the values. */
export interface TextClause {
  readonly kind: 'text';
  readonly field: TextField;
  readonly values: readonly FieldValue[];
  readonly isNegated: boolean;
}

/** An unknown number is in no range, and not outside of one either. */
export interface NumberClause {
  readonly kind: 'number';
  readonly field: NumberField;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Whether `min` and `max` themselves are not in the range. */
  readonly isMinOpen: boolean;
  readonly isMaxOpen: boolean;
  readonly isNegated: boolean;
}

export type FieldClause = TextClause | NumberClause;

export interface TermClause {
  readonly term: TextTerm;
  readonly isNegated: boolean;
}

/** What `q` says. All of it must be true of a task. */
export interface ParsedQuery {
  readonly fields: readonly FieldClause[];
  readonly terms: readonly TermClause[];
  /** ISO 8601. */
  readonly since: string | undefined;
  readonly until: string | undefined;
}
