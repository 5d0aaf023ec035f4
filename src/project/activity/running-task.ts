import { type JsonObject, type JsonValue, objectOf } from '../../model/json.ts';
import { waitingIn } from '../genai/waiting.ts';
import type { Approval } from './waiting-approval.ts';

/** What a running task does, by the end of what is stored of it. Ages are seconds; null: nothing has come so far. */
export interface TaskActivity extends JsonObject {
  readonly heartbeat_age_seconds: number | null;
  readonly last_line_age_seconds: number | null;
  readonly waits_for: JsonObject;
}

export interface RunningTask {
  readonly metadata: JsonObject;
  readonly nowMs: number;
  /** When it last gave a sign of life. Milliseconds since the epoch. */
  readonly heardMs: number | undefined;
  /** The end of the agent's output. */
  readonly lines: readonly JsonObject[];
  /** What it waits for. */
  readonly wait: Approval | undefined;
}

/** Whether a task with this metadata runs. */
export function isRunning({ task_id: id, status }: JsonObject): boolean {
  return typeof id === 'string' && (status === 'running' || status === 'waiting_input');
}

export function runningActivity({ metadata, nowMs, heardMs, lines, wait }: RunningTask): TaskActivity {
  const { model } = metadata;
  const last = lines.at(-1)?.timestamp;
  return {
    heartbeat_age_seconds: heardMs === undefined ? null : age(nowMs, heardMs),
    last_line_age_seconds: typeof last === 'string' ? age(nowMs, Date.parse(last)) : null,
    waits_for: wait
      ? { kind: 'approval', name: wait.name, since: wait.since }
      : waitingIn(lines, typeof model === 'string' ? model : null),
  };
}

/** When a task said that it waits, by its last facts. */
export function saidWait(
  facts: readonly { readonly body?: JsonValue | undefined; readonly timestamp?: JsonValue | undefined }[],
): Approval {
  const wait = facts.findLast(({ body }) => objectOf(body).status === 'waiting_input');
  return { name: null, since: typeof wait?.timestamp === 'string' ? wait.timestamp : null };
}

function age(nowMs: number, thenMs: number): number | null {
  return Number.isFinite(thenMs) ? Math.max(0, Math.round((nowMs - thenMs) / 100) / 10) : null;
}
