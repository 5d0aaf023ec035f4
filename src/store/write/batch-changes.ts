import { messageOf } from '../../errors.ts';
import { ATTR } from '../../model/attributes.ts';
import { isPathSafeId } from '../../model/ids.ts';
import type { ReceivedLog, TelemetryBatch } from '../../model/otlp.ts';
import { sha256 } from '../../model/sha256.ts';
import type { Change } from '../../project/change.ts';
import { foreignEventId, identityOf } from '../../project/foreign-id.ts';
import { toolLinesOfLog, toolLinesOfSpan } from '../../project/genai/tool-lines.ts';
import { projectLog } from '../../project/log-record.ts';
import { projectSpan } from '../../project/span.ts';

/** Changes of a batch, one list for each record. */
export function* changesOf(batch: TelemetryBatch): Generator<Change[]> {
  const ordinals = new Map<string, number>();
  for (const log of batch.logs) {
    yield projectSafely(() => [...projectLog(log, eventIdOf(log, ordinals)), ...toolLinesOfLog(log, sha256)]);
  }
  for (const span of batch.spans) {
    yield projectSafely(() => {
      const change = projectSpan(span);
      return [change, ...toolLinesOfSpan(span, change, sha256)];
    });
  }
}

/** Without this, a record that fails to project would be sent again for ever and block the records after it. */
function projectSafely(project: () => Change[]): Change[] {
  try {
    return project();
  } catch (error) {
    return [{ kind: 'rejected', reason: `cannot read the record: ${messageOf(error)}` }];
  }
}

function eventIdOf(log: ReceivedLog, ordinals: Map<string, number>): string {
  const given = log.record.attributes[ATTR.eventId];
  if (typeof given === 'string' && isPathSafeId(given)) return given;
  const identity = identityOf(log.record);
  // Identical records are counted within their task, because a resend may split requests differently.
  const key = `${String(log.resource[ATTR.taskId])} ${identity.text}`;
  const ordinal = ordinals.get(key) ?? 0;
  ordinals.set(key, ordinal + 1);
  return foreignEventId(identity, ordinal, sha256);
}
