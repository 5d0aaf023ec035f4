import type { Attributes } from '@opentelemetry/api';
import { redact } from '../../redact/redact.ts';

/** A graph with more lines than that is not read by anybody, and senders choose these values. */
const VALUES_MAX = 200;

/** Longer ones are texts, not names. */
const CHARS_MAX = 100;

const OTHER = 'other';

/** Attributes of metrics, with bounds on what comes from outside: each distinct set of values is a series for ever. */
export class MetricLabels {
  readonly #seen = new Map<string, Set<string>>();

  /** An absent value is an empty one; of each attribute the first values stay themselves, later ones are `other`. */
  bounded(values: Readonly<Record<string, unknown>>): Attributes {
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, this.#bound(name, shortened(value))]),
    );
  }

  #bound(name: string, value: string): string {
    if (value === '') return value;
    const seen = this.#seen.get(name) ?? new Set();
    this.#seen.set(name, seen);
    if (seen.has(value)) return value;
    if (seen.size >= VALUES_MAX) return OTHER;
    seen.add(value);
    return value;
  }
}

/** What is no text is none of ours. Half a character at the cut would be no text. */
export function shortened(value: unknown): string {
  if (typeof value !== 'string') return '';
  return redact(value.slice(0, 2 * CHARS_MAX))
    .slice(0, CHARS_MAX)
    .replace(/[\uD800-\uDBFF]$/, '');
}
