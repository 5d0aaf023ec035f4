import { TasktrailError } from '../errors.ts';
import { parseObject } from '../model/json.ts';
import type { TelemetryBatch } from '../model/otlp.ts';
import { parsedJson } from './json/outline-json.ts';
import type { Outline, RecordGroup, RecordPath, ResourceOutline } from './outline/outline.ts';
import { SIGNALS, type SignalReader } from './signals.ts';
import type { IngestResult } from './sink.ts';
import { readSlices } from './slices.ts';

/** Most records and bytes that are parsed at once. */
const GROUP_RECORDS = 64;
const GROUP_BYTES = 65_536;

/** Longest record that is taken here: the limits of a longer one are counted while a request is scanned. */
const RECORD_CHARS_MAX = 262_144;

/** A record in OTLP/JSON, and its resource and scope as the members of a JSON object. */
export interface JsonRecord {
  readonly source: string;
  readonly json: string;
}

export interface Records {
  readonly signal: 'logs' | 'traces';
  readonly entries: readonly JsonRecord[];
}

/** Whether `readRecords` takes the record. Others go through a request. */
export function isStorable({ json }: JsonRecord): boolean {
  return json.length <= RECORD_CHARS_MAX;
}

/**
 * Reads records of this process as those of a request are read, without the request: in batches, after which `onRejected` gets
 * what could not be read. Throws `ERR_INPUT_INVALID` for a record that is not JSON, perhaps after batches.
 */
export async function* readRecords(
  { signal: name, entries }: Records,
  onRejected: (result: IngestResult) => void,
): AsyncGenerator<TelemetryBatch> {
  const signal = SIGNALS.find(({ path }) => path === `/v1/${name}`);
  if (signal === undefined) throw new TasktrailError('ERR_NOT_FOUND', `no records are named ${name}`);
  const reader: SignalReader = signal.open();
  yield* readSlices(outlineOfRecords(entries, signal.fields), reader);
  onRejected(reader.finish());
}

function outlineOfRecords(entries: readonly JsonRecord[], path: RecordPath): Outline {
  return { request: { [path.resources]: [] }, resources: resourcesOf(entries, path) };
}

function* resourcesOf(
  entries: readonly JsonRecord[],
  { scopes, records }: RecordPath,
): Generator<ResourceOutline> {
  for (let from = 0; from < entries.length; ) {
    const source = entries[from]?.source ?? '';
    let to = from + 1;
    while (entries[to]?.source === source) to += 1;
    // A damaged source line in the journal: its records keep their attributes and lose the resource and scope.
    const { resource, scope } = parseObject(`{${source}}`) ?? {};
    const inScope = { entry: { scope, [records]: [] }, records: groupsOf(entries.slice(from, to)) };
    yield { entry: { resource, [scopes]: [] }, scopes: [inScope] };
    from = to;
  }
}

function* groupsOf(entries: readonly JsonRecord[]): Generator<RecordGroup> {
  for (let at = 0; at < entries.length; ) {
    const records: unknown[] = [];
    let bytes = 0;
    for (; at < entries.length && records.length < GROUP_RECORDS && bytes < GROUP_BYTES; at += 1) {
      const { json } = entries[at] as JsonRecord;
      records.push(parsedJson(json).value);
      bytes += json.length;
    }
    yield { records, bytes };
  }
}
