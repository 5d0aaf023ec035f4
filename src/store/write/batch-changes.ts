import { messageOf } from '../../errors.ts';
import { ATTR } from '../../model/attributes.ts';
import { isPathSafeId } from '../../model/ids.ts';
import type { ReceivedLog, TelemetryBatch } from '../../model/otlp.ts';
import { sha256 } from '../../model/sha256.ts';
import type { Change } from '../../project/change.ts';
import { foreignEventId, identityOf } from '../../project/foreign-id.ts';
import { projectLog } from '../../project/log-record.ts';
import { projectSpan } from '../../project/span.ts';

/** What each record of a batch changes, record by record. */
export function* changesOf(batch: TelemetryBatch): Generator<Change[]> {
  const ordinals = new Map<string, number>();
  for (const log of batch.logs) {
    yield guarded(() => projectLog(log, eventIdOf(log, ordinals)));
  }
  for (const span of batch.spans) yield guarded(() => [projectSpan(span)]);
}

/** A record that no projection can read would come back for ever, and everything behind it would wait. */
function guarded(project: () => Change[]): Change[] {
  try {
    return project();
  } catch (error) {
    return [{ kind: 'rejected', reason: `the record cannot be read: ${messageOf(error)}` }];
  }
}

function eventIdOf(log: ReceivedLog, ordinals: Map<string, number>): string {
  const given = log.record.attributes[ATTR.eventId];
  if (typeof given === 'string' && isPathSafeId(given)) return given;
  const identity = identityOf(log.record);
  // Equals are counted within their task: requests may be cut differently when they are sent again.
  const key = `${String(log.resource[ATTR.taskId])} ${identity.text}`;
  const ordinal = ordinals.get(key) ?? 0;
  ordinals.set(key, ordinal + 1);
  return foreignEventId(identity, ordinal, sha256);
}
