import { AMOUNT_KINDS, hasShrunk, isPossibleAmount, rounded } from '../../model/amounts.ts';
import type { Amounts, Usage } from '../../model/documents.ts';
import type { JsonValue } from '../../model/json.ts';

/** A count or a price; null when it is missing or impossible. */
export type Amount = number | null;

export function amount(value: JsonValue | undefined): Amount {
  return isPossibleAmount(value) && value >= 0 ? value : null;
}

/** Null when a part is unknown: a partial sum would be wrong. */
export function sum(parts: readonly Amount[]): Amount {
  let total = 0;
  for (const part of parts) {
    if (part === null) return null;
    total += part;
  }
  return rounded(total);
}

export function difference(whole: Amount, part: Amount): Amount {
  return whole === null || part === null || part > whole ? null : whole - part;
}

/** Whether every count is unknown or zero. Agents print zeros when a request failed before they counted. */
export function isUnknown(amounts: Amounts): boolean {
  return Object.values(amounts).every((value) => value === null || value === 0);
}

/** Adds the amounts of each model for which they are known. */
export function withModels(total: Amounts, models: readonly (readonly [string, Amounts])[]): Usage {
  const known = models.filter(([, amounts]) => !isUnknown(amounts));
  // Object.fromEntries makes a field of a model named `__proto__`; an assignment would not.
  return known.length === 0 ? total : { ...total, models: Object.fromEntries(known) };
}

/** Adds two amounts kind by kind. An amount of which all counts are unknown adds nothing. */
export function addedUp<T extends Amounts>(a: T, b: T): T | Amounts {
  if (isUnknown(b)) return a;
  if (isUnknown(a)) return b;
  return Object.fromEntries(AMOUNT_KINDS.map((kind) => [kind, sum([a[kind] ?? null, b[kind] ?? null])]));
}

/** Far more sessions than a script runs. The limit bounds the memory when a program prints a new id on each line. */
const SESSIONS_MAX = 1_000;

interface SessionCounts {
  /** Amounts from before the session's counters started again. */
  readonly closed: Usage | undefined;
  readonly last: Usage;
}

/**
 * The usage of one run in which several sessions may report, each with counters that only grow: a script can start an agent
 * twice, or continue a session in a new process, whose counters start again.
 */
export class SessionUsage {
  readonly #sessions = new Map<string, SessionCounts>();

  /** Replaces the earlier report of this session. An unknown usage replaces nothing. */
  report(session: string, usage: Usage): void {
    const known = this.#sessions.get(session);
    if (known === undefined && this.#sessions.size >= SESSIONS_MAX) return;
    if (known === undefined) this.#sessions.set(session, { closed: undefined, last: usage });
    else if (isUnknown(usage)) return;
    else if (!hasShrunk(known.last, usage)) this.#sessions.set(session, { ...known, last: usage });
    else this.#sessions.set(session, { closed: whole(known), last: usage });
  }

  /** Undefined before the first report. */
  total(): Usage | undefined {
    const parts = this.bySession().map(([, usage]) => usage);
    return parts.length === 0 ? undefined : parts.reduce(addedUsage);
  }

  bySession(): readonly (readonly [string, Usage])[] {
    return [...this.#sessions].map(([id, counts]) => [id, whole(counts)] as const);
  }
}

function whole({ closed, last }: SessionCounts): Usage {
  return closed === undefined ? last : addedUsage(closed, last);
}

function addedUsage(a: Usage, b: Usage): Usage {
  const { models: ofA = {}, ...totalA } = a;
  const { models: ofB = {}, ...totalB } = b;
  const models = new Map(Object.entries(ofA));
  for (const [name, amounts] of Object.entries(ofB)) {
    const known = models.get(name);
    models.set(name, known === undefined ? amounts : addedUp(known, amounts));
  }
  return withModels(addedUp(totalA, totalB), [...models]);
}
