import { LRUCache } from 'lru-cache';
import { canonicalJson } from '../../../model/canonical-json.ts';
import type { DeliveryLine } from '../../../model/documents.ts';
import { type JsonValue, objectOf, parseJson, parseObject } from '../../../model/json.ts';
import type { WorkflowDocument } from '../../../model/workflow.ts';
import type { RedisLink } from '../../../queue/bullmq/redis-link.ts';
import { type TaskEndFacts, taskEndFacts, workflowEndFacts } from '../../../trail/metrics/end-facts.ts';
import type { SharedGauges, TrailMetrics } from '../../../trail/metrics/trail-metrics.ts';
import type { WatchedEnd } from '../../../warehouse/watch/watched-task.ts';
import type { WatchedCount } from '../../../warehouse/watch/watched-workflow.ts';
import type { Term } from './redis-lease.ts';

/** As long as the next holder looks back. About 400 bytes each. */
const KEPT_MS: number = 7 * 86_400_000;

/** Deliveries that may be sent again. */
const DELIVERIES_MAX = 20_000;

/** KEYS: the lease, what was counted. ARGV: of the lease, what it is taken for (empty: nothing), what it is now, milliseconds. */
const SWAP = `
local before = redis.call('GET', KEYS[2]) or ''
if before ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 1`;

const KEEP = "return redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])";

export interface CountedEndsOptions {
  readonly term: Term;
  readonly link: RedisLink;
  readonly prefix: string;
  readonly metrics: TrailMetrics;
}

/**
 * Counts the ends of tasks and workflows in the metrics of the holder. Redis remembers what was counted of each: another holder,
 * or the same end from another service, adds only what is new. It is noted before it is counted: a holder that is killed in between
 * leaves it out, and none counts it twice.
 */
export class CountedEnds {
  readonly #options: CountedEndsOptions;
  #kept = '';

  constructor(options: CountedEndsOptions) {
    this.#options = options;
  }

  /** The gauges of the holder before. Rejects with `ERR_QUEUE_UNAVAILABLE`. */
  async open(): Promise<void> {
    const { link, prefix, metrics } = this.#options;
    this.#kept = (await link.ask(() => link.client.get(`${prefix}gauges`))) ?? '';
    metrics.takeOver(objectOf(parseJson(this.#kept)) as Partial<SharedGauges>);
  }

  /** Ends that came before `sinceMs` were counted, or are not known to have been. Rejects as `open`. */
  async task(id: string, ends: readonly WatchedEnd[], sinceMs: number): Promise<void> {
    if (ends.length === 0) return;
    const { metrics } = this.#options;
    for (const { documents, firstMs } of ends) {
      if (documents === undefined) continue;
      const { metadata, result } = taskEndFacts({ ...documents, before: undefined });
      const now = { attempt: documents.metadata.attempt, result };
      const known = await this.#swap(`task ${id}`, now, firstMs >= sinceMs);
      if (known === undefined) continue;
      const before = known.attempt === now.attempt ? (known.result as TaskEndFacts['result']) : undefined;
      metrics.taskEnded({ metadata, result, before });
    }
    await this.#keepGauges();
  }

  /** As `task`. */
  async workflow(
    id: string,
    { name, waiting, document, endedMs }: WatchedCount,
    sinceMs: number,
  ): Promise<void> {
    const { metrics } = this.#options;
    metrics.approvalsWait(id, waiting);
    if (document !== undefined) {
      const facts = workflowEndFacts({ name, document, before: undefined });
      const now = { attempt: document.attempt, document: facts.document };
      const known = await this.#swap(`workflow ${id}`, now, endedMs >= sinceMs);
      if (known !== undefined)
        metrics.workflowEnded({ ...facts, before: known.document as WorkflowDocument | undefined });
    }
    await this.#keepGauges();
  }

  close(): void {
    this.#options.metrics.handOver();
  }

  /** Returns what was counted before, empty for nothing; undefined: there is nothing to count. */
  async #swap(
    unit: string,
    now: { readonly attempt: number; readonly [name: string]: unknown },
    isFresh: boolean,
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { term, link, prefix } = this.#options;
    const key = `${prefix}counted ${unit}`;
    const text = canonicalJson(plainJson(now));
    const before = (await link.ask(() => link.client.get(key))) ?? '';
    const known = parseObject(before);
    // An earlier attempt that gets another end changes no document.
    if (before === text || Number(known?.attempt) > now.attempt) return undefined;
    const isSet = await term.run(SWAP, [key], [before, text, String(KEPT_MS)]);
    if (isSet !== 1) return undefined;
    if (known === undefined && !isFresh) return undefined;
    return known ?? {};
  }

  async #keepGauges(): Promise<void> {
    const { term, prefix, metrics } = this.#options;
    const text = canonicalJson(plainJson(metrics.shared));
    if (text === this.#kept) return;
    await term.run(KEEP, [`${prefix}gauges`], [text, String(KEPT_MS)]);
    this.#kept = text;
  }
}

/** Counts each delivery that this service has stored, once: its sender may send it again. */
export function countDeliveries(metrics: TrailMetrics): (line: DeliveryLine) => void {
  const counted = new LRUCache<string, true>({ max: DELIVERIES_MAX });
  return (line) => {
    if (counted.has(line.event_id)) return;
    counted.set(line.event_id, true);
    metrics.deliveryStored(line);
  };
}

/** Without what is undefined. */
function plainJson(value: unknown): JsonValue | undefined {
  return parseJson(JSON.stringify(value)) as JsonValue | undefined;
}
