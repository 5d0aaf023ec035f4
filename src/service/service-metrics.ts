import { randomUUID } from 'node:crypto';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import type { IMetricReader } from '@opentelemetry/sdk-metrics';
import type { Config } from '../config/config.ts';
import type { GaugeReading } from '../export/gauge-producer.ts';
import { createMetricReaders, type MetricReaders } from '../export/metric-readers.ts';
import type { Queue } from '../queue/queue.ts';
import { queueJobs } from '../trail/metrics/gauges.ts';
import { TrailMetrics } from '../trail/metrics/trail-metrics.ts';
import { resourceOf } from '../trail/resource.ts';
import type { Trail } from '../trail/trail.ts';

/** What the ready-made service carries in its SDK, from before anything is open until after it is closed. */
export class ServiceMetrics {
  readonly #readers: MetricReaders;
  /** Who records. The instance is told apart: two processes of one name would overwrite each other's series. */
  readonly resource: Resource;
  readonly #notice: NoticeBoard;
  #metrics: TrailMetrics | undefined;
  #queue: Queue | undefined;

  constructor(config: Config) {
    const instance = resourceFromAttributes({ 'service.instance.id': randomUUID() });
    // One that the user has given in OTEL_RESOURCE_ATTRIBUTES stays.
    this.resource = instance.merge(resourceOf(config));
    this.#notice = new NoticeBoard(`metrics to ${placeOf(config.metrics?.url)}`);
    this.#readers = createMetricReaders({
      readGauges: () => this.#readGauges(),
      push: config.metrics,
      onNotice: (notice) => this.#notice.say(notice),
    });
  }

  get readers(): IMetricReader[] {
    return this.#readers.readers;
  }

  /** To be called when the SDK is registered: a meter of before measures nothing. */
  startTrail(): TrailMetrics {
    this.#metrics = new TrailMetrics();
    return this.#metrics;
  }

  watchQueue(queue: Queue): void {
    this.#queue = queue;
  }

  watchTrail({ books, reader, recovered, otlpUrl }: Trail): void {
    this.#notice.hang(books);
    // Only the holder names failed tasks.
    if (otlpUrl !== undefined) void recovered.then(() => this.#metrics?.load(reader));
  }

  /** All metrics as they stand, in Prometheus' text format. Never rejects. */
  readText(): Promise<string> {
    return this.#readers.readText();
  }

  async #readGauges(): Promise<readonly GaugeReading[]> {
    const own = this.#metrics?.readGauges() ?? [];
    return this.#queue === undefined ? own : [...own, await queueJobs(this.#queue)];
  }
}

/** Without a password that the URL may carry. */
function placeOf(url: string | undefined): string {
  if (url === undefined) return 'nowhere';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

interface Notices {
  setNotice(part: string, notice: string | undefined): void;
}

/** One notice, which may come before there are books to write it into. */
class NoticeBoard {
  readonly #part: string;
  #last: string | undefined;
  #books: Notices | undefined;

  constructor(part: string) {
    this.#part = part;
  }

  say(notice: string | undefined): void {
    this.#last = notice;
    this.#books?.setNotice(this.#part, notice);
  }

  hang(books: Notices): void {
    this.#books = books;
    this.say(this.#last);
  }
}
