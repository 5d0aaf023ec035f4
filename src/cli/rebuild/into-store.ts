import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Books } from '../../books.ts';
import { ATTR } from '../../model/attributes.ts';
import { isNewer } from '../../model/documents.ts';
import { EVENT } from '../../model/events.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { parseObject } from '../../model/json.ts';
import type { OtlpSpan, ReceivedLog, ReceivedSpan, TelemetryBatch } from '../../model/otlp.ts';
import { TRAIL } from '../../model/sender.ts';
import type { Tombstones } from '../../store/keep/tombstones.ts';
import { isNote } from '../../store/keep/verify/finding.ts';
import { verifyTask } from '../../store/keep/verify/verify-task.ts';
import { TASK_FILES, taskDir } from '../../store/layout.ts';
import { WorkflowPlaces, workflowFile } from '../../store/workflow-place.ts';
import { Store } from '../../store/write/store.ts';
import { makeDirectory, readText, replaceFile } from '../../system/durable.ts';
import { namesIn } from '../../system/files/optional-files.ts';
import type { Item } from './sources.ts';

/** Longer than the wait for late spans, and longer than the longest wait until files are put in order. */
const SETTLING_MS = [12_000, 70_000, 70_000];

/** Records that are put in order in memory: of this much text, and stored so many at a time. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
const BATCH_RECORDS = 512;

/** The year 9999. */
const TIME_MAX_MS = 253_402_300_799_999;

export interface RebuildTarget {
  readonly logDir: string;
  readonly workflowDir: string;
  readonly tombstones: Tombstones;
  /** Of the spans that are built from the facts. */
  readonly source: Pick<ReceivedSpan, 'resource' | 'scope'>;
  log(line: string): void;
}

export interface RebuildCounts {
  records: number;
  rejected: number;
  readonly reasons: Set<string>;
}

/** The store of a rebuilding: its clock stands at the time of the records, so that they are stored as they were then. */
export class RebuildingStore {
  readonly counts: RebuildCounts = { records: 0, rejected: 0, reasons: new Set() };
  readonly #target: RebuildTarget;
  readonly #store: Store;
  #nowMs = 0;
  #lastMs = 0;
  #spans: OtlpSpan[] = [];
  #logs: ReceivedLog[] = [];
  #spansRead: ReceivedSpan[] = [];
  /** Of the texts of the records that wait. */
  #bytes = 0;

  constructor(target: RebuildTarget) {
    this.#target = target;
    this.#store = new Store({
      logDir: target.logDir,
      workflowDir: target.workflowDir,
      books: new Books(),
      now: () => this.#nowMs,
      isPruned: (kind, id) => target.tombstones.has(kind, id),
      onSpan: (span) => this.#spans.push(span),
      log: target.log,
    });
  }

  async add(item: Exclude<Item, { kind: 'problem' }>): Promise<void> {
    if (item.kind === 'workflow') {
      await this.#addDocument(item);
      return;
    }
    this.counts.rejected += item.rejected;
    this.#logs.push(...item.batch.logs);
    this.#spansRead.push(...item.batch.spans);
    this.#bytes += item.bytes;
    if (this.#bytes > WAITING_BYTES_MAX) await this.#flush();
  }

  /** Stores what was read, in the order of its times: the objects of an archive have names in no order. */
  async #flush(): Promise<void> {
    const logs = this.#logs.sort((a, b) => compare(orderOf(a), orderOf(b)));
    const spans = this.#spansRead;
    this.#logs = [];
    this.#spansRead = [];
    this.#bytes = 0;
    let group: ReceivedLog[] = [];
    const store = async (): Promise<void> => {
      await this.#ingest({ logs: group, spans: [] });
      group = [];
    };
    for (const log of logs) {
      // An end is stored as if it had come at once.
      if (isEnd(log) || group.length >= BATCH_RECORDS) await store();
      group.push(log);
      if (isEnd(log)) await store();
    }
    await store();
    for (let from = 0; from < spans.length; from += BATCH_RECORDS)
      await this.#ingest({ logs: [], spans: spans.slice(from, from + BATCH_RECORDS) });
  }

  async #ingest(batch: TelemetryBatch): Promise<void> {
    const { logs, spans } = batch;
    if (logs.length + spans.length === 0) return;
    const times = logs.map(({ record }) => Math.trunc(Number(record.timeUnixNano) / 1_000_000));
    const latest = Math.max(0, ...times.filter((ms) => ms > 0 && ms < TIME_MAX_MS));
    if (latest > 0) this.#nowMs = latest;
    this.#lastMs = Math.max(this.#lastMs, this.#nowMs);
    this.counts.records += logs.length + spans.length;
    const { rejected, reasons } = await this.#store.ingest(batch, TRAIL);
    this.counts.rejected += rejected;
    for (const reason of reasons) this.counts.reasons.add(reason);
  }

  /** Opens what is on disk, lets time pass until all is settled, and closes the store. */
  async finish(): Promise<void> {
    await this.#flush();
    this.#nowMs = this.#lastMs === 0 ? Date.now() : this.#lastMs;
    await this.#store.recover();
    for (const ms of SETTLING_MS) {
      this.#nowMs += ms;
      await this.#store.tick();
      await this.#storeBuilt();
    }
    await this.#store.close('the rebuilding has ended');
  }

  /** Spans that no source has and the facts announce. */
  async #storeBuilt(): Promise<void> {
    const spans = this.#spans.map((span) => ({ ...this.#target.source, span }));
    this.#spans = [];
    if (spans.length > 0) await this.#store.ingest({ logs: [], spans }, TRAIL);
  }

  /** The document is a witness of its events; one that is there stays. */
  async #addDocument({ id, text }: Extract<Item, { kind: 'workflow' }>): Promise<void> {
    const document = parseObject(text);
    const first = document?.events;
    const at = Array.isArray(first) ? parseObject(JSON.stringify(first[0]))?.timestamp : undefined;
    const month = await new WorkflowPlaces(this.#target.workflowDir).place(
      id,
      String(at ?? document?.timestamp),
    );
    const path = workflowFile(month, id, 'document');
    if ((await readText(path)) !== undefined || this.#target.tombstones.has('workflow', id)) return;
    await makeDirectory(month);
    await replaceFile(path, text);
    this.counts.records += 1;
  }
}

function isEnd({ record }: ReceivedLog): boolean {
  return record.eventName === EVENT.result || record.attributes['event.name'] === EVENT.result;
}

/** Times of the same number of digits are ordered as text. */
function orderOf({ record }: ReceivedLog): string {
  return `${record.timeUnixNano.padStart(20, '0')} ${String(record.attributes[ATTR.eventId])}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * Removes what a task's facts give again, so that it is made again. Documents stay where lines are damaged or lost, since they
 * then say more. Returns why something stays.
 */
export async function clearDerived(logDir: string, taskId: string): Promise<string | undefined> {
  const dir = taskDir(logDir, taskId);
  const { found } = await verifyTask(logDir, taskId);
  const documents = ['input', 'finalResult', 'metadata'] as const;
  const names: readonly string[] = documents.map((kind) => join(taskId, TASK_FILES[kind]));
  const metadata = parseObject(await readText(join(dir, TASK_FILES.metadata)));
  const lost = found.find(
    ({ file, problem }) =>
      !names.includes(file) && !file.endsWith(TASK_FILES.manifest) && problem !== 'set_aside',
  );
  const silent = found.find(({ what }) => what.startsWith('no line of'));
  const isBeyondFacts =
    metadata !== undefined &&
    (isNewer(metadata) || metadata.dropped_spans !== undefined || metadata.opened_by !== undefined);
  const why = lost ?? silent;
  // Taken as it is from now on.
  await rm(join(dir, TASK_FILES.manifest), { force: true });
  if (why !== undefined && !(isNote(why) && why.problem === 'grown'))
    return `${taskId}: the documents stay as witnesses, because of ${why.file}: ${why.what}`;
  if (isBeyondFacts || metadata === undefined) return undefined;
  for (const kind of documents) await rm(join(dir, TASK_FILES[kind]), { force: true });
  return undefined;
}

/** Ids of the tasks in a directory. */
export async function tasksIn(logDir: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const id of (await namesIn(logDir)).filter(isPathSafeId).sort()) {
    const names: readonly string[] = await readdir(join(logDir, id)).catch(() => []);
    if (names.includes(TASK_FILES.facts)) ids.push(id);
  }
  return ids;
}
