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
 * At rest every destination has at least what this process has recorded: delivered, unsent, dropped or pending. It is more
 * by what the process has sent for others, which has no counter of its own.
 */
export function checkAtRest({ pid, samples }: Scrape): readonly Violation[] {
  const recorded = sumOf(samples, 'tasktrail_records_recorded_total') ?? 0;
  const dropped = sumOf(samples, 'tasktrail_records_dropped_total') ?? 0;
  const destinations = new Set(
    samples.flatMap(({ name, labels }) =>
      name === 'tasktrail_journal_pending' ? (labels.tasktrail_destination ?? []) : [],
    ),
  );
  return [...destinations].flatMap((destination) => {
    const of = (name: string): number => sumOf(samples, name, { tasktrail_destination: destination }) ?? 0;
    const pending = of('tasktrail_journal_pending');
    const rest =
      of('tasktrail_records_delivered_total') + of('tasktrail_records_unsent_total') + pending + dropped;
    if (rest >= recorded) return [];
    const detail = `recorded ${recorded}, but delivered + unsent + dropped + pending ${rest}`;
    return [{ kind: 'books' as const, what: destination, file: `/metrics of ${pid}`, detail }];
  });
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
