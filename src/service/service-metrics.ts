import { randomUUID } from 'node:crypto';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import type { IMetricReader } from '@opentelemetry/sdk-metrics';
import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import type { GaugeReading } from '../export/gauge-producer.ts';
import { createMetricReaders, type MetricReaders } from '../export/metric-readers.ts';
import type { Queue } from '../queue/queue.ts';
import { leaseHeld, queueJobs } from '../trail/metrics/gauges.ts';
import { TrailMetrics } from '../trail/metrics/trail-metrics.ts';
import { resourceOf } from '../trail/resource.ts';
import type { Trail } from '../trail/trail.ts';

/** The metrics of the service. They exist before the trail is opened and until after it is closed. */
export class ServiceMetrics {
  readonly #readers: MetricReaders;
  /** Has a `service.instance.id`: two processes with the same name would overwrite each other's series. */
  readonly resource: Resource;
  readonly #notice: PushNotice;
  #metrics: TrailMetrics | undefined;
  #queue: Queue | undefined;
  #holdsLease: (() => boolean) | undefined;

  constructor(config: Config) {
    const instance = resourceFromAttributes({ 'service.instance.id': randomUUID() });
    // An instance id in OTEL_RESOURCE_ATTRIBUTES takes precedence.
    this.resource = instance.merge(resourceOf(config));
    this.#notice = new PushNotice(`metrics to ${placeOf(config.metrics?.url)}`);
    this.#readers = createMetricReaders({
      readGauges: () => this.#readGauges(),
      push: config.metrics,
      onNotice: (notice) => this.#notice.set(notice),
    });
  }

  get readers(): IMetricReader[] {
    return this.#readers.readers;
  }

  /** Call it after the meter provider is registered: instruments of an earlier meter record nothing. */
  startTrail(): TrailMetrics {
    this.#metrics = new TrailMetrics();
    return this.#metrics;
  }

  watchQueue(queue: Queue): void {
    this.#queue = queue;
  }

  /** `isHeld`: whether this service holds the lease of a store that several share. */
  watchLease(isHeld: () => boolean): void {
    this.#holdsLease = isHeld;
  }

  /** The notice of a failed push goes to these books. */
  attach(books: Books): void {
    this.#notice.attach(books);
  }

  watchTrail({ books, reader, recovered, otlpUrl }: Trail): void {
    this.attach(books);
    // Only the holder exports the failed tasks.
    if (otlpUrl !== undefined) void recovered.then(() => this.#metrics?.load(reader));
  }

  /** The current metrics in the Prometheus text format. Never rejects. */
  readText(): Promise<string> {
    return this.#readers.readText();
  }

  async #readGauges(): Promise<readonly GaugeReading[]> {
    const own = (await this.#metrics?.readGauges()) ?? [];
    const lease = this.#holdsLease === undefined ? [] : [leaseHeld(this.#holdsLease())];
    const queue = this.#queue === undefined ? [] : [await queueJobs(this.#queue)];
    return [...own, ...lease, ...queue];
  }
}

/** Without user, password and query, which may hold a key. */
function placeOf(url: string | undefined): string {
  if (url === undefined) return 'nowhere';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

interface Notices {
  setNotice(part: string, notice: string | undefined): void;
}

/** The state of the push. Exporters start before the trail has books; the last notice is written when they are attached. */
class PushNotice {
  readonly #part: string;
  #last: string | undefined;
  #books: Notices | undefined;

  constructor(part: string) {
    this.#part = part;
  }

  set(notice: string | undefined): void {
    this.#last = notice;
    this.#books?.setNotice(this.#part, notice);
  }

  attach(books: Notices): void {
    this.#books = books;
    this.set(this.#last);
  }
}
