import { RequestMemory, type TelemetryBatch } from '../model/otlp.ts';
import { isTurnOver, nextTurn } from '../system/turns.ts';
import type { Outline } from './outline/outline.ts';
import { readOutline, type SignalReader } from './signals.ts';

/** Most records of a batch, as of a request of tasktrail's own. Its lines are written at once for each task. */
const SLICE_RECORDS = 512;

/** A batch is also complete with this many bytes of records: records may be large. */
const SLICE_BYTES = 1_048_576;

/**
 * The valid records of a request in batches, so that a request of any size is stored in bounded memory and without holding
 * up the event loop. What the batches of a request share is in their `memory`. The last one may be empty.
 */
export async function* readSlices(outline: Outline, reader: SignalReader): AsyncGenerator<TelemetryBatch> {
  const memory = new RequestMemory();
  let bytes = 0;
  let isFirst = true;
  for (const groupBytes of readOutline(outline, reader)) {
    bytes += groupBytes;
    if (isTurnOver()) await nextTurn();
    const size = bytes + reader.repeatedBytes;
    if (reader.size < SLICE_RECORDS && size < SLICE_BYTES) continue;
    bytes = 0;
    if (reader.size === 0) continue;
    isFirst = false;
    yield { ...reader.take(), memory, hasMore: true };
  }
  if (reader.size > 0 || !isFirst) yield { ...reader.take(), memory };
}
