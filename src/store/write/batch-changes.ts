import { messageOf } from '../../errors.ts';
import { ATTR } from '../../model/attributes.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { type ReceivedLog, RequestMemory, type TelemetryBatch } from '../../model/otlp.ts';
import { sha256 } from '../../model/sha256.ts';
import type { Change } from '../../project/change.ts';
import { foreignEventId, identityOf } from '../../project/foreign-id.ts';
import { toolLinesOfLog, toolLinesOfSpan } from '../../project/genai/tool-lines.ts';
import { projectLog } from '../../project/log-record.ts';
import { projectSpan } from '../../project/span.ts';

/** Changes of a batch, one list for each record. */
export function* changesOf(batch: TelemetryBatch): Generator<Change[]> {
  const { equals } = batch.memory ?? new RequestMemory();
  for (const log of batch.logs) {
    yield projectSafely(() => [...projectLog(log, eventIdOf(log, equals)), ...toolLinesOfLog(log, sha256)]);
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

function eventIdOf(log: ReceivedLog, equals: Map<string, number>): string {
  const given = log.record.attributes[ATTR.eventId];
  if (typeof given === 'string' && isPathSafeId(given)) return given;
  const identity = identityOf(log.record);
  const first = foreignEventId(identity, 0, sha256);
  // Identical records are counted within their task, because a resend may split requests differently.
  const key = `${String(log.resource[ATTR.taskId])} ${first}`;
  const ordinal = equals.get(key) ?? 0;
  equals.set(key, ordinal + 1);
  return ordinal === 0 ? first : foreignEventId(identity, ordinal, sha256);
}
