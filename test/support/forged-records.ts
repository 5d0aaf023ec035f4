import type { JsonObject, JsonValue } from '../../src/model/json.ts';
import { anyValueFromPlain, keyValuesFromPlain } from '../../src/model/otlp.ts';

export interface ForgedRecord {
  readonly event: string;
  readonly attributes: JsonObject;
  readonly body: JsonValue;
  /** Milliseconds before now. */
  readonly ageMs?: number;
}

/** Sends log records to an OTLP receiver as any program on this machine can. The answer is the sender's to judge. */
export async function sendForged(otlpUrl: string, records: readonly ForgedRecord[]): Promise<number> {
  const logRecords = records.map(({ event, attributes, body, ageMs = 60_000 }) => ({
    timeUnixNano: `${Date.now() - ageMs}000000`,
    eventName: event,
    attributes: keyValuesFromPlain(attributes),
    body: anyValueFromPlain(body),
  }));
  const resource = { attributes: keyValuesFromPlain({ 'service.name': 'other' }) };
  const response = await fetch(`${otlpUrl}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }),
  });
  return response.status;
}

/** The records of a task that waits in a queue. */
export function forgedTask(taskId: string, metadata: JsonObject, ageMs = 60_000): readonly ForgedRecord[] {
  const attributes = { 'tasktrail.task.id': taskId, 'tasktrail.task.attempt': 1 };
  const created_at = new Date(Date.now() - ageMs).toISOString();
  const queued = { status: 'queued', source: 'api', created_at, ...metadata };
  return [
    { event: 'tasktrail.task.input', attributes, body: { message: 'EVIL', source_metadata: {} }, ageMs },
    { event: 'tasktrail.task.metadata', attributes, body: queued, ageMs },
  ];
}
