import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject, JsonValue } from '../../src/model/json.ts';
import type { ReceivedLog } from '../../src/model/otlp.ts';
import { openStore, type TestStore } from '../support/log-dir.ts';
import { eventId, log } from '../support/records.ts';

export interface OutputLine {
  readonly type: string;
  readonly content: string;
  readonly attributes?: Readonly<Record<string, JsonValue>>;
  /** Milliseconds after the start of the tests' time. Default: after the line before it. */
  readonly atMs?: number;
}

export interface StoredTask {
  readonly id: string;
  readonly metadata?: JsonObject;
  readonly message?: string;
  readonly stages?: readonly string[];
  readonly output?: readonly OutputLine[];
  readonly result?: JsonObject;
}

/** The real store over the log directory of a command that runs in `cwd`. */
export function storeIn(cwd: string): TestStore {
  const dir = join(cwd, 'logs');
  mkdirSync(dir, { recursive: true });
  return openStore(dir);
}

let events = 0;

/** One record of a task. Records are ordered by the calls that make them. */
export function record(taskId: string, event: string, more: Parameters<typeof log>[0] = {}): ReceivedLog {
  events += 1;
  return log({
    event: `tasktrail.${event}`,
    id: eventId(events),
    atMs: events,
    ...more,
    attributes: { 'tasktrail.task.id': taskId, 'tasktrail.task.attempt': 1, ...more.attributes },
  });
}

export function outputRecord(taskId: string, line: OutputLine): ReceivedLog {
  return record(taskId, 'agent.output', {
    body: line.content,
    attributes: { 'tasktrail.agent.output.type': line.type, ...line.attributes },
    ...(line.atMs !== undefined && { atMs: line.atMs }),
  });
}

export function resultRecord(taskId: string, result: JsonObject = {}): ReceivedLog {
  return record(taskId, 'task.result', {
    body: {
      ...{ success: true, result: null, error: null, status: 'completed' },
      completed_at: '2026-01-02T03:04:50.000Z',
      metrics: { cost_usd: 0.0234, input_tokens: 1500, output_tokens: 800, duration_seconds: 45.2 },
      ...result,
    },
  });
}

/** Writes a whole task through the store. */
export async function writeTask({ logs }: TestStore, task: StoredTask): Promise<void> {
  const { id, metadata, message = 'please review', stages = [], output = [], result } = task;
  await logs(
    ...stages.map((stage) =>
      record(id, `webhook.${stage}`, {
        attributes: { 'tasktrail.webhook.stage': stage, 'tasktrail.webhook.status': `ok ${stage}` },
      }),
    ),
    record(id, 'task.metadata', {
      body: { source: 'webhook', created_at: '2026-01-02T03:04:05.000Z', status: 'running', ...metadata },
    }),
    record(id, 'task.input', { body: { message, source_metadata: {} } }),
    ...output.map((line) => outputRecord(id, line)),
    ...(result === undefined ? [] : [resultRecord(id, result)]),
  );
}
