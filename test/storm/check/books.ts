import { parseMetrics, type Sample, sumOf } from '../../support/metrics-text.ts';
import type { Violation } from './check.ts';

/** The counters of one process at one moment. */
export interface Scrape {
  readonly pid: number;
  readonly samples: readonly Sample[];
}

const COUNTERS = ['recorded', 'accepted', 'duplicate', 'delivered', 'unsent', 'dropped'].map(
  (name) => `tasktrail_records_${name}_total`,
);

/** The scrapes of all services of a round. */
export class BookScrapes {
  readonly #last = new Map<number, Scrape>();
  readonly #violations: Violation[] = [];
  count = 0;

  /** Reads `/metrics`. A process that gives no answer is left out. */
  async scrape(url: string, pid: number): Promise<Scrape | undefined> {
    const text = await readText(url);
    if (text === undefined) return undefined;
    const scrape = { pid, samples: parseMetrics(text) };
    this.count += 1;
    this.#violations.push(...imbalances(scrape));
    const before = this.#last.get(pid);
    if (before !== undefined) this.#violations.push(...decreased(before, scrape));
    this.#last.set(pid, scrape);
    return scrape;
  }

  get violations(): readonly Violation[] {
    return this.#violations;
  }
}

/**
 * What does not balance: for each destination recorded + claimed = delivered + unsent + dropped + left + pending, for the store
 * received = accepted + duplicates + rejected + passed.
 */
export function imbalances({ pid, samples }: Scrape): readonly Violation[] {
  const found = (what: string, detail: string): Violation => {
    return { kind: 'books', what, file: `/metrics of ${pid}`, detail };
  };
  const all = (name: string, labels?: Readonly<Record<string, string>>): number =>
    sumOf(samples, `tasktrail_${name}`, labels) ?? 0;
  const violations: Violation[] = [];
  for (const { name, labels, value: pending } of samples) {
    if (name !== 'tasktrail_journal_pending') continue;
    const { tasktrail_destination: destination = '' } = labels;
    const of = (part: string): number => all(part, { tasktrail_destination: destination });
    const came = all('records_recorded_total') + of('journal_claimed_total');
    const went = of('records_delivered_total') + of('records_unsent_total');
    const gone = of('journal_dropped_total') + of('journal_left_total');
    if (pending >= 0 && came === went + gone + pending) continue;
    violations.push(
      found(destination, `${came} came, but ${went} went, ${gone} are gone and ${pending} pending`),
    );
  }
  const received = all('store_received_total');
  const stored = all('records_accepted_total') + all('records_duplicate_total');
  const rest = all('store_rejected_total') + all('store_passed_total');
  if (received !== stored + rest)
    violations.push(found('store', `${received} received, ${stored} stored or duplicates, ${rest} others`));
  return violations;
}

/** At rest nothing is pending: what is, was counted as recorded or claimed, and nothing has become of it. */
export function checkAtRest(scrape: Scrape): readonly Violation[] {
  const waiting = scrape.samples.filter(
    ({ name, value }) => name === 'tasktrail_journal_pending' && value !== 0,
  );
  return waiting.map(({ labels, value }) => ({
    kind: 'books',
    what: labels.tasktrail_destination ?? '',
    file: `/metrics of ${scrape.pid}`,
    detail: `${value} pending though all is delivered`,
  }));
}

function decreased(before: Scrape, after: Scrape): Violation[] {
  return COUNTERS.flatMap((name) => {
    const [was, is] = [sumOf(before.samples, name) ?? 0, sumOf(after.samples, name) ?? 0];
    if (is >= was) return [];
    const file = `/metrics of ${after.pid}`;
    return [{ kind: 'books' as const, what: name, file, detail: `from ${was} to ${is}` }];
  });
}

async function readText(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return response.ok ? await response.text() : undefined;
  } catch {
    // The service is down, which is what the storm wants.
    return undefined;
  }
}
