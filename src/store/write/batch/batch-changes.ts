import { messageOf } from '../../../errors.ts';
import { ATTR } from '../../../model/attributes.ts';
import { isPathSafeId } from '../../../model/ids.ts';
import {
  type ReceivedLog,
  type ReceivedSpan,
  RequestMemory,
  type TelemetryBatch,
} from '../../../model/otlp.ts';
import { ANONYMOUS, markOf, type Sender, type SenderMark } from '../../../model/sender.ts';
import { sha256 } from '../../../model/sha256.ts';
import type { Change } from '../../../project/change.ts';
import { foreignEventId, identityOf } from '../../../project/foreign-id.ts';
import { toolLinesOfLog, toolLinesOfSpan } from '../../../project/genai/tool-lines.ts';
import { projectLog } from '../../../project/log-record.ts';
import { projectSpan } from '../../../project/span.ts';
import { markedSpan } from '../task/task-owner.ts';
import type { Origin } from './admission.ts';

/** The changes of one record, with the mark of its sender. */
export interface RecordChanges {
  readonly origin: Origin;
  readonly changes: readonly Change[];
}

/** Changes of a batch, one entry for each record. */
export function* changesOf(batch: TelemetryBatch, sender: Sender): Generator<RecordChanges> {
  const { equals } = batch.memory ?? new RequestMemory();
  for (const received of batch.logs) {
    yield projectSafely(sender, received, () => {
      const log = aboutOwnTask(received, sender);
      return [...projectLog(log, eventIdOf(log, equals)), ...toolLinesOfLog(log, sha256)];
    });
  }
  for (const received of batch.spans) {
    yield projectSafely(sender, received, () => {
      const span = withMark(spanAboutOwnTask(received, sender), originOf(received, sender));
      const change = projectSpan(span);
      return [change, ...toolLinesOfSpan(span, change, sha256)];
    });
  }
}

/** A record of an agent that names no task is about its task, which its token proves. */
function aboutOwnTask(log: ReceivedLog, sender: Sender): ReceivedLog {
  if (sender.kind !== 'agent') return log;
  const named = log.record.attributes[ATTR.taskId] ?? log.resource[ATTR.taskId] ?? null;
  return named === null ? { ...log, resource: { ...log.resource, [ATTR.taskId]: sender.taskId } } : log;
}

function spanAboutOwnTask(received: ReceivedSpan, sender: Sender): ReceivedSpan {
  if (sender.kind !== 'agent') return received;
  const { attributes } = received.resource;
  const all = [...attributes, ...received.span.attributes];
  if (all.some(({ key }) => key === ATTR.taskId || key === ATTR.taskIds)) return received;
  const own = { key: ATTR.taskId, value: { stringValue: sender.taskId } };
  return { ...received, resource: { ...received.resource, attributes: [...attributes, own] } };
}

/** A span has its mark as an attribute, so that its line is an OTLP request like the others. */
function withMark(received: ReceivedSpan, { sender }: Origin): ReceivedSpan {
  const mark = markOf(sender);
  return mark === undefined ? received : { ...received, span: markedSpan(received.span, mark) };
}

/** What the trail completes for a sender with fewer rights keeps that sender's mark. */
function originOf(received: ReceivedLog | ReceivedSpan, sender: Sender): Origin {
  if (sender.kind !== 'trail') return { sender, isOnBehalf: false };
  const { mark, taskId } = 'record' in received ? namedInLog(received) : namedInSpan(received);
  if (mark === 'anonymous') return { sender: ANONYMOUS, isOnBehalf: true };
  if (mark === 'agent' && isPathSafeId(taskId))
    return { sender: { kind: 'agent', taskId }, isOnBehalf: true };
  return { sender, isOnBehalf: false };
}

interface Named {
  readonly mark: unknown;
  readonly taskId: unknown;
}

function namedInLog({ record: { attributes } }: ReceivedLog): Named {
  return { mark: attributes[ATTR.sender], taskId: attributes[ATTR.taskId] };
}

function namedInSpan({ span: { attributes } }: ReceivedSpan): Named {
  const read = (name: string): unknown => attributes.find(({ key }) => key === name)?.value.stringValue;
  return { mark: read(ATTR.sender), taskId: read(ATTR.taskId) };
}

function marked(change: Change, sender: SenderMark): Change {
  switch (change.kind) {
    case 'fact':
      return { ...change, line: { ...change.line, sender } };
    case 'workflow-fact':
      return { ...change, fact: { ...change.fact, sender } };
    case 'delivery':
      return { ...change, line: { ...change.line, sender } };
    case 'line':
      return { ...change, line: { ...change.line, sender } };
    default:
      return change;
  }
}

/** Without this, a record that fails to project would be sent again for ever and block the records after it. */
function projectSafely(
  sender: Sender,
  received: ReceivedLog | ReceivedSpan,
  project: () => Change[],
): RecordChanges {
  let origin: Origin = { sender, isOnBehalf: false };
  try {
    origin = originOf(received, sender);
    const mark = markOf(origin.sender);
    const changes = project();
    return { origin, changes: mark === undefined ? changes : changes.map((change) => marked(change, mark)) };
  } catch (error) {
    return { origin, changes: [{ kind: 'rejected', reason: `cannot read the record: ${messageOf(error)}` }] };
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
