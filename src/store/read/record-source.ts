import { basename, join, relative } from 'node:path';
import { isWorkflowId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/json.ts';
import { readLines } from '../../system/lines.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { DAY_FILE, OWN_NAMES } from '../layout.ts';
import { lstatStored, openStored } from '../stored-file.ts';
import { WorkflowPlaces, workflowFile } from '../workflow-place.ts';
import { readDelivery } from './deliveries/delivery-line.ts';
import { createDeliveryScan } from './deliveries/delivery-list.ts';
import { readDayFiles } from './folder-entries.ts';
import { createWindow, placeInTime, readVersion } from './listing.ts';
import {
  LOOK_MS,
  pageOfRecords,
  type RecordKind,
  type RecordScan,
  type ScannedRecords,
} from './records/record-page.ts';
import { summaryOf } from './records/workflow-summary.ts';
import { deliveryRecord, type StoredRecord, workflowRecord } from './stored-record.ts';
import { createWorkflowSummaries, readSources, workflowItem } from './workflow-list.ts';
import { foldWorkflow, type WorkflowPlace } from './workflow-reader.ts';

interface RecordPlace {
  readonly id: string;
  readonly source: string;
  readonly place: number;
}

interface RecordPart {
  readonly records: readonly StoredRecord[];
  readonly end: number;
}

/** Reads all workflows and deliveries of a log directory, for an index of them. What is damaged counts as missing. */
export interface RecordSource {
  keys(kind: RecordKind): Promise<readonly string[]>;
  source(
    kind: RecordKind,
    key: string,
  ): Promise<
    | { readonly key: string; readonly version: string; readonly inode: number; readonly size: number }
    | undefined
  >;
  /** The key of the file with a workflow, or with the deliveries of a day. */
  keyOf(kind: RecordKind, name: string): Promise<string | undefined>;
  parts(kind: RecordKind, key: string, from: number): AsyncGenerator<RecordPart>;
  read(kind: RecordKind, place: RecordPlace): Promise<StoredRecord | undefined>;
  item(kind: RecordKind, place: RecordPlace): Promise<JsonObject | undefined>;
  scan(kind: RecordKind, scan: RecordScan): Promise<ScannedRecords>;
}

/** `workflowDir`: default `_workflow` in the log directory. */
export function createRecordSource(
  logDir: string,
  {
    workflowDir = join(logDir, OWN_NAMES.workflows),
    expectsUploads = false,
  }: { readonly workflowDir?: string; readonly expectsUploads?: boolean } = {},
): RecordSource {
  const workflows = workflowSource(workflowDir, expectsUploads);
  const deliveries = deliverySource(logDir);
  const of = (kind: RecordKind): KindSource => (kind === 'workflow' ? workflows : deliveries);
  return {
    keys: async (kind) => (await unlessUnreadable(of(kind).keys())) ?? [],
    source: async (kind, key) => {
      const path = await of(kind).path(key);
      const stats = path === undefined ? undefined : await unlessUnreadable(lstatStored({ path, what: key }));
      if (stats?.isFile() !== true) return undefined;
      const { ino: inode, mtimeMs, size } = stats;
      return { key, version: `${inode}:${mtimeMs}:${size}`, inode, size };
    },
    keyOf: (kind, name) => of(kind).keyOf(name),
    parts: (kind, key, from) => of(kind).parts(key, from),
    read: (kind, place) => unlessUnreadable(of(kind).read(place)),
    item: async (kind, place) => {
      const record = await unlessUnreadable(of(kind).read(place));
      return record?.item();
    },
    scan: (kind, scan) => of(kind).scan(scan),
  };
}

interface KindSource {
  keys(): Promise<readonly string[]>;
  /** Undefined for a key of no such file. */
  path(key: string): Promise<string | undefined>;
  keyOf(name: string): Promise<string | undefined>;
  parts(key: string, from: number): AsyncGenerator<RecordPart>;
  read(place: RecordPlace): Promise<StoredRecord | undefined>;
  scan(scan: RecordScan): Promise<ScannedRecords>;
}

/** A key is `<yyyy>/<mm>/<workflow_id>`. */
function workflowSource(workflowDir: string, expectsUploads: boolean): KindSource {
  const places = new WorkflowPlaces(workflowDir);
  const summaries = createWorkflowSummaries(places);
  const placeOf = (key: string): WorkflowPlace | undefined => {
    const [, month, id] = /^(\d{4}\/\d{2})\/([^/]+)$/.exec(key) ?? [];
    return month !== undefined && isWorkflowId(id) ? { month: join(workflowDir, month), id } : undefined;
  };
  const keyOf = ({ month, id }: WorkflowPlace): string => join(relative(workflowDir, month), id);
  /** Its facts; its events where there are none. */
  const pathOf = async (key: string): Promise<string | undefined> => {
    const place = placeOf(key);
    if (place === undefined) return undefined;
    const facts = workflowFile(place.month, place.id, 'facts');
    const hasFacts = (await unlessUnreadable(readVersion(facts))) !== undefined;
    return hasFacts ? facts : workflowFile(place.month, place.id, 'events');
  };
  const read = async (key: string): Promise<StoredRecord | undefined> => {
    const [place, path] = [placeOf(key), await pathOf(key)];
    const version = path === undefined ? undefined : await readVersion(path);
    if (place === undefined || version === undefined) return undefined;
    const fold = await foldWorkflow(place);
    if (fold === undefined) return undefined;
    const summary = summaryOf(fold.state);
    const at = placeInTime(summary.started_at, version);
    return workflowRecord(summary, {
      ...{ at, source: key },
      texts: async () => fold.envelopes,
      item: () => workflowItem({ place, summary }, expectsUploads),
    });
  };
  return {
    keys: async () => (await readSources(places)).map(keyOf),
    path: pathOf,
    keyOf: async (id) => {
      if (!isWorkflowId(id)) return undefined;
      const month = await places.find(id);
      return month === undefined ? undefined : keyOf({ month, id });
    },
    parts: async function* (key) {
      const record = await unlessUnreadable(read(key));
      if (record !== undefined) yield { records: [record], end: 0 };
    },
    read: ({ source }) => read(source),
    scan: async ({ since, until, sort, after, limit, accepts }) => {
      const isInWindow = createWindow({ since, until });
      const untilMs = performance.now() + LOOK_MS;
      const listed = (await summaries()).filter(isInWindow).map(({ at, place, summary }) =>
        workflowRecord(summary, {
          ...{ at, source: keyOf(place) },
          texts: async () => (await unlessUnreadable(foldWorkflow(place)))?.envelopes ?? [],
          item: () => workflowItem({ place, summary }, expectsUploads),
        }),
      );
      return pageOfRecords(listed, { sort, after, limit, untilMs, accepts });
    },
  };
}

/** A key is a day. */
function deliverySource(logDir: string): KindSource {
  const dir = join(logDir, OWN_NAMES.webhooks);
  const scan = createDeliveryScan(logDir);
  const pathOf = (day: string): string | undefined =>
    DAY_FILE.test(`${day}.jsonl`) ? join(dir, `${day}.jsonl`) : undefined;
  return {
    keys: async () =>
      (await readDayFiles({ path: dir, what: OWN_NAMES.webhooks })).map((name) => basename(name, '.jsonl')),
    path: async (day) => pathOf(day),
    keyOf: async (day) => day,
    parts: async function* (day, from) {
      for await (const lines of linesFrom(pathOf(day), from)) {
        yield {
          records: lines.flatMap(({ text, start }) => {
            const read = readDelivery(text, day);
            return read === undefined ? [] : [deliveryRecord({ ...read, day, start })];
          }),
          end: lines.at(-1)?.end ?? from,
        };
      }
    },
    read: async ({ id, source: day, place: start }) => {
      for await (const [first] of linesFrom(pathOf(day), start)) {
        const read = first && readDelivery(first.text, day);
        return read?.id === id ? deliveryRecord({ ...read, day, start }) : undefined;
      }
      return undefined;
    },
    scan: async ({ since, until, after, limit, accepts }) => {
      const found = await scan({
        ...{ since, until, limit, contains: [], untilMs: performance.now() + LOOK_MS },
        after: after && { at: String(after.value), id: after.id },
        accepts: (delivery) => accepts(deliveryRecord(delivery)),
      });
      const records = found.deliveries.slice(0, limit).map(deliveryRecord);
      const last = found.deliveries.length > limit ? records.at(-1) : found.next;
      return { records, next: last && { value: last.at, id: last.id } };
    },
  };
}

interface PlacedLine {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Whole lines; one that is still being written is left out. */
async function* linesFrom(path: string | undefined, from: number): AsyncGenerator<readonly PlacedLine[]> {
  const opened = path === undefined ? undefined : await openStored({ path, what: basename(path) });
  if (opened === undefined) return;
  try {
    let start = from;
    for await (const batch of readLines(opened.handle, { from })) {
      const lines: PlacedLine[] = [];
      for (const { bytes, end, isTerminated } of batch) {
        if (isTerminated) lines.push({ text: bytes?.toString('utf8') ?? '', start, end });
        start = end;
      }
      yield lines;
    }
  } finally {
    await opened.handle.close();
  }
}
