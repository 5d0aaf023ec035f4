import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, TasktrailError } from '../../errors.ts';
import { MALFORMED, type RequestPart, type SendResult } from '../../export/transport.ts';
import { TRAIL } from '../../model/sender.ts';
import { isStorable, storeRecords } from '../../receive/records.ts';
import type { Sink } from '../../receive/sink.ts';

/** As long as a request to a holder may take. Records without an answer are stored again, and fall to their ids. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Most reasons of rejected records in an answer. */
const REASONS_MAX = 10;

/**
 * Stores records of the journal in the store of this thread, as its receiver does with a request of the trail. Undefined where
 * they have to be sent instead. Never rejects.
 */
export function takeIntoStore(sink: Sink, part: RequestPart): Promise<SendResult> | undefined {
  if (!isStorable(part)) return undefined;
  const isLate = new AbortController();
  const late = delay(ANSWER_TIMEOUT_MS, undefined, { ref: false, signal: isLate.signal }).then(
    (): SendResult => ({ kind: 'retry', reason: `no answer within ${ANSWER_TIMEOUT_MS} ms` }),
  );
  // It is aborted.
  late.catch(() => undefined);
  return Promise.race([stored(sink, part), late]).finally(() => isLate.abort());
}

async function stored(sink: Sink, part: RequestPart): Promise<SendResult> {
  try {
    const { rejected, reasons } = await storeRecords(part, (batch) => sink.ingest(batch, TRAIL));
    const reason = reasons.slice(0, REASONS_MAX).join('; ');
    return { kind: 'accepted', rejected, ...(reason !== '' && { reason }) };
  } catch (error) {
    const isMalformed = error instanceof TasktrailError && error.code === 'ERR_INPUT_INVALID';
    if (isMalformed) return { kind: 'refused', status: MALFORMED, reason: error.message };
    return { kind: 'retry', reason: `not stored: ${messageOf(error)}` };
  }
}
