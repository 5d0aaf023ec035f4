import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Bucket, StoredObject } from '../../archive/bucket.ts';
import { UploadError } from '../../archive/failure.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import { parseSegmentName } from '../../journal/segment-name.ts';
import { SegmentReader } from '../../journal/segment-reader.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import type { TelemetryBatch } from '../../model/otlp.ts';
import { SIGNALS } from '../../receive/signals.ts';
import { openIfPresent, statIfPresent } from '../../system/files/optional-files.ts';
import { readLines, splitLines } from '../../system/lines.ts';

/** Longest request of an archive: the limit of the receiver. */
const REQUEST_BYTES_MAX = 64 * 1024 * 1024;

/** What a source holds. */
export type Item =
  | {
      readonly kind: 'records';
      readonly batch: TelemetryBatch;
      readonly rejected: number;
      /** Of its text. */
      readonly bytes: number;
    }
  /** A workflow document of our own archive. */
  | { readonly kind: 'workflow'; readonly id: string; readonly text: string }
  | { readonly kind: 'problem'; readonly where: string; readonly what: string };

/**
 * What lies in a file or below a folder: lines of OTLP/JSON as the collector's file exporter writes them, gzipped or not,
 * segments of a journal, workflow documents. Throws `ERR_INPUT_INVALID` when there is no such path.
 */
export async function* itemsInPath(path: string): AsyncGenerator<Item> {
  const stats = await statIfPresent(path);
  if (stats === undefined)
    throw new TasktrailError('ERR_INPUT_INVALID', `--from: there is nothing at ${path}`);
  if (!stats.isDirectory()) {
    yield* itemsInFile(path);
    return;
  }
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) yield* itemsInPath(child);
    else if (entry.isFile()) yield* itemsInFile(child);
  }
}

/** What lies below a prefix in S3: objects of the collector's awss3 exporter, and workflow documents. */
export async function* itemsInBucket(bucket: Bucket, prefix: string): AsyncGenerator<Item> {
  for await (const key of bucket.keys(prefix)) {
    const object = await readOrName(bucket, key);
    if (typeof object === 'string') yield { kind: 'problem', where: key, what: object };
    else if (object !== undefined) yield* itemsInBytes(Readable.from([Buffer.from(object.bytes)]), key);
  }
}

/** The reason when this object alone cannot be read. */
function readOrName(bucket: Bucket, key: string): Promise<StoredObject | string | undefined> {
  return bucket.read(key).catch((error: unknown) => {
    if (error instanceof UploadError && error.scope === 'object') return error.message;
    throw error;
  });
}

async function* itemsInFile(path: string): AsyncGenerator<Item> {
  if (parseSegmentName(basename(path)) !== undefined) {
    yield* itemsInSegment(path);
    return;
  }
  const file = await openIfPresent(path, 'r');
  if (file === undefined) return;
  try {
    if (path.endsWith('.gz')) yield* itemsInBytes(file.createReadStream({ autoClose: false }), path);
    else yield* itemsInLines(readLines(file, { bytesMax: REQUEST_BYTES_MAX }), path);
  } finally {
    await file.close();
  }
}

/** Gunzips what is gzipped, whatever its name. */
async function* itemsInBytes(bytes: Readable, where: string): AsyncGenerator<Item> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(piece as Buffer);
  const whole = Buffer.concat(pieces);
  const isGzipped = whole[0] === 0x1f && whole[1] === 0x8b;
  const plain = Readable.from([whole]);
  const source = isGzipped ? plain.compose(createGunzip()) : plain;
  try {
    yield* itemsInLines(splitLines(source as AsyncIterable<Buffer>, { bytesMax: REQUEST_BYTES_MAX }), where);
  } catch (error) {
    yield { kind: 'problem', where, what: messageOf(error) };
  }
}

async function* itemsInLines(
  batches: AsyncIterable<readonly { readonly bytes: Buffer | undefined }[]>,
  where: string,
): AsyncGenerator<Item> {
  let number = 0;
  for await (const lines of batches) {
    for (const { bytes } of lines) {
      number += 1;
      const text = bytes?.toString('utf8') ?? '';
      if (bytes !== undefined && text.trim() === '') continue;
      yield itemOf(text, `${where}:${number}`);
    }
  }
}

function itemOf(text: string, where: string): Item {
  const value = parseObject(text);
  if (value === undefined) return { kind: 'problem', where, what: 'not a line of JSON' };
  if (typeof value.workflow_id === 'string' && Array.isArray(value.events))
    return { kind: 'workflow', id: value.workflow_id, text: `${text.trimEnd()}\n` };
  return recordsOf(value, text.length) ?? { kind: 'problem', where, what: 'neither OTLP logs nor spans' };
}

function recordsOf(request: JsonObject, bytes: number): Item | undefined {
  const signal = SIGNALS.find(({ fields }) => request[fields.resources] !== undefined);
  if (signal === undefined) return undefined;
  const { batch, rejected } = signal.read(request);
  return { kind: 'records', batch, rejected, bytes };
}

async function* itemsInSegment(path: string): AsyncGenerator<Item> {
  const where = basename(path);
  const problems: number[] = [];
  const reader = await SegmentReader.open(path, 0, (offset) => problems.push(offset));
  try {
    for (;;) {
      const { entries, next } = await reader.read();
      if (entries.length === 0 && next === reader.position) break;
      for (const { kind, source, json } of entries) {
        const [resources, scopes, records] =
          kind === 'L'
            ? ['resourceLogs', 'scopeLogs', 'logRecords']
            : ['resourceSpans', 'scopeSpans', 'spans'];
        const origin = parseObject(`{${source}}`);
        const record = parseObject(json);
        const request = {
          [resources]: [
            { resource: origin?.resource, [scopes]: [{ scope: origin?.scope, [records]: [record] }] },
          ],
        };
        const item = record === undefined ? undefined : recordsOf(request as JsonObject, json.length);
        yield item ?? { kind: 'problem', where, what: 'a record that is not JSON' };
      }
      await reader.advance(next);
    }
  } finally {
    await reader.close();
  }
  for (const offset of problems)
    yield { kind: 'problem', where, what: `a line at byte ${offset} is no record` };
}
