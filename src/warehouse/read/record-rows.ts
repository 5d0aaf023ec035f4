import type { JsonObject } from '../../model/json.ts';
import type { ListPlace } from '../../model/list-place.ts';
import { readDelivery } from '../../store/read/deliveries/delivery-line.ts';
import {
  LOOK_MS,
  pageOfRecords,
  type RecordKind,
  type RecordScan,
  type ScannedRecords,
} from '../../store/read/records/record-page.ts';
import { deliveryRecord, type StoredRecord } from '../../store/read/stored-record.ts';
import type { VictoriaLogs } from '../client.ts';
import { storedId } from '../line-order.ts';
import { rowsOfKinds } from '../logsql.ts';
import { placeOf } from '../rows.ts';
import { FlowView } from './flow/flow-view.ts';
import type { WorkflowCatalog } from './workflow-catalog.ts';

interface RecordRef {
  readonly id: string;
  readonly source: string;
}

/** Deliveries that are read at once. */
const PAGE_LINES = 500;

/** Items of a page that stay at hand: they are asked for right after the page. */
const ITEMS_MAX = 2_000;

/** Workflows and deliveries, as lists search them. */
export class RecordRows {
  readonly #logs: VictoriaLogs;
  readonly #workflows: WorkflowCatalog;
  readonly #items = new Map<string, () => Promise<JsonObject>>();

  constructor(logs: VictoriaLogs, workflows: WorkflowCatalog) {
    this.#logs = logs;
    this.#workflows = workflows;
  }

  async item(kind: RecordKind, { id, source }: RecordRef): Promise<JsonObject | undefined> {
    return this.#items.get(`${kind} ${source} ${id}`)?.();
  }

  async scan(kind: RecordKind, scan: RecordScan): Promise<ScannedRecords> {
    const untilMs = performance.now() + LOOK_MS;
    const found =
      kind === 'workflow'
        ? await this.#scanWorkflows(scan, untilMs)
        : await this.#scanDeliveries(scan, untilMs);
    for (const record of found.records) this.#keep(kind, record);
    return found;
  }

  async #scanWorkflows(scan: RecordScan, untilMs: number): Promise<ScannedRecords> {
    const { since = '', until } = scan;
    const listed = (await this.#workflows.records()).filter(
      ({ at }) => at >= since && (until === undefined || (at !== '' && at < until)),
    );
    return pageOfRecords(listed, { ...scan, untilMs });
  }

  async #scanDeliveries(scan: RecordScan, untilMs: number): Promise<ScannedRecords> {
    const { after, since = '', until, limit, accepts } = scan;
    const records: StoredRecord[] = [];
    for await (const record of this.#deliveries({ after, since })) {
      const { at, id } = record;
      if (at < since || (until !== undefined && at >= until)) continue;
      if (!(await accepts(record))) {
        if (performance.now() >= untilMs) return { records, next: { value: at, id } };
        continue;
      }
      const last = records.at(-1);
      if (records.length === limit) return { records, next: last && { value: last.at, id: last.id } };
      records.push(record);
    }
    return { records, next: undefined };
  }

  /** Newest first. A delivery stands in the day of its time. */
  async *#deliveries({
    after,
    since,
  }: {
    readonly after: ListPlace | undefined;
    readonly since: string;
  }): AsyncGenerator<StoredRecord> {
    const from = typeof after?.value === 'string' ? after : undefined;
    const behind = from && { at: placeOf(String(from.value)), id: storedId(from.id) };
    const rows = await this.#logs.rows(`${rowsOfKinds(['delivery'])} | uniq by (unit)`);
    for (const day of rows
      .flatMap(({ unit }) => unit ?? [])
      .sort()
      .reverse()) {
      if (`${day}\uffff` < since) return;
      if (from !== undefined && day > String(from.value)) continue;
      const view = await FlowView.open({ logs: this.#logs, kind: 'delivery', unit: day });
      for (let before = behind; view !== undefined; ) {
        const page = await view.page({ before, isBackward: true, lines: PAGE_LINES });
        for (const { text } of [...page.lines].reverse()) {
          const read = readDelivery(text, day);
          if (read !== undefined) yield deliveryRecord({ ...read, day, start: 0 });
        }
        before = page.first;
        if (page.isEnd || before === undefined) break;
      }
    }
  }

  #keep(kind: RecordKind, record: StoredRecord): void {
    const key = `${kind} ${record.source} ${record.id}`;
    this.#items.delete(key);
    this.#items.set(key, () => record.item());
    const [oldest] = this.#items.keys();
    if (this.#items.size > ITEMS_MAX && oldest !== undefined) this.#items.delete(oldest);
  }
}
