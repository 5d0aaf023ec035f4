import type { Attributes } from '@opentelemetry/api';
import { firstOfText, wellFormed } from '../../model/text.ts';
import { redact } from '../../redact/redact.ts';

/** Values per attribute. Senders choose them, and a graph with more lines is not readable. */
const VALUES_MAX = 200;

/** Characters per value. A longer one is a text, not a name. */
const CHARS_MAX = 100;

const OTHER = 'other';

/** Limits the attributes of metrics: each distinct set of values is a series until the process ends. */
export class MetricLabels {
  readonly #seen = new Map<string, Set<string>>();

  /** An absent value becomes `''`. The first 200 values of each attribute are kept, later ones become `other`. */
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

/** Redacts and truncates; `''` for a value that is not a string. */
export function shortened(value: unknown): string {
  if (typeof value !== 'string') return '';
  return firstOfText(redact(wellFormed(firstOfText(value, 2 * CHARS_MAX))), CHARS_MAX);
}
