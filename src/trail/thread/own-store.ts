import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, TasktrailError } from '../../errors.ts';
import { partsOf } from '../../export/otlp-request.ts';
import { MALFORMED, type SendResult } from '../../export/transport.ts';
import type { BatchEntry } from '../../journal/segment-reader.ts';
import { RequestMemory, type TelemetryBatch } from '../../model/otlp.ts';
import { TRAIL } from '../../model/sender.ts';
import { isStorable, readRecords } from '../../receive/records.ts';
import type { IngestResult, Sink } from '../../receive/sink.ts';

/** As long as a request to a holder may take. Records without an answer are stored again, and fall to their ids. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Most reasons of rejected records in an answer. */
const REASONS_MAX = 10;

/**
 * Stores records of the journal in the store of this thread, as its receiver does with requests of the trail. Undefined where
 * they have to be sent instead. Never rejects.
 */
export function takeIntoStore(sink: Sink, entries: readonly BatchEntry[]): Promise<SendResult> | undefined {
  if (!entries.every(isStorable)) return undefined;
  const isLate = new AbortController();
  const late = delay(ANSWER_TIMEOUT_MS, undefined, { ref: false, signal: isLate.signal }).then(
    (): SendResult => ({ kind: 'retry', reason: `no answer within ${ANSWER_TIMEOUT_MS} ms` }),
  );
  // It is aborted.
  late.catch(() => undefined);
  return Promise.race([storeEntries(sink, entries), late]).finally(() => isLate.abort());
}

/** As `takeIntoStore`, for records of every length and a sink that limits its time itself. */
export async function storeEntries(sink: Sink, entries: readonly BatchEntry[]): Promise<SendResult> {
  const memory = new RequestMemory();
  let rejected = 0;
  const reasons = new Set<string>();
  const count = (result: IngestResult): void => {
    rejected += result.rejected;
    for (const reason of result.reasons) reasons.add(reason);
  };
  // The logs and the spans of a task are written together: one pass over its files, and one sync.
  let last: TelemetryBatch = { logs: [], spans: [] };
  try {
    for (const part of partsOf(entries)) {
      for await (const batch of readRecords(part, count)) {
        const { logs, spans } = batch;
        if (last.spans.length > 0 || (last.logs.length > 0 && logs.length > 0)) {
          count(await sink.ingest({ ...last, memory, hasMore: true }, TRAIL));
          last = { logs, spans };
        } else last = { logs: [...last.logs, ...logs], spans };
      }
    }
    count(await sink.ingest({ ...last, memory }, TRAIL));
  } catch (error) {
    const isMalformed = error instanceof TasktrailError && error.code === 'ERR_INPUT_INVALID';
    if (isMalformed) return { kind: 'refused', status: MALFORMED, reason: error.message };
    return { kind: 'retry', reason: `not stored: ${messageOf(error)}` };
  }
  const reason = [...reasons].slice(0, REASONS_MAX).join('; ');
  return { kind: 'accepted', rejected, ...(reason !== '' && { reason }) };
}
