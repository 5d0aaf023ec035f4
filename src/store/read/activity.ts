import { type JsonObject, objectOf, parseObject } from '../../model/json.ts';
import { waitingIn } from '../../project/genai/waiting.ts';
import { unlessUnreadable } from '../file-errors.ts';
import { taskFile } from '../layout.ts';
import { lstatStored, openStored } from '../stored-file.ts';

/** The end of an output that is read: dozens of lines. Doubled until a whole line is in it. */
const TAIL_BYTES = 65_536;
const TAIL_BYTES_MAX = 1_048_576;

/** What a running task does, by the end of its files. Ages are seconds; null: nothing has come so far. */
export interface TaskActivity extends JsonObject {
  readonly heartbeat_age_seconds: number | null;
  readonly last_line_age_seconds: number | null;
  readonly waits_for: JsonObject;
}

export interface Approval {
  readonly name: string | null;
  readonly since: string | null;
}

export interface ActivityOptions {
  readonly nowMs: number;
  /** The approval that a workflow of the task waits for. */
  readonly approval: Approval | undefined;
}

/** Undefined for a task that does not run. Files that cannot be read count as empty. */
export async function readActivity(
  logDir: string,
  metadata: JsonObject,
  { nowMs, approval }: ActivityOptions,
): Promise<TaskActivity | undefined> {
  const { task_id: id, status, model } = metadata;
  if (typeof id !== 'string' || (status !== 'running' && status !== 'waiting_input')) return undefined;
  // The holder touches the facts with each heartbeat, and each fact is a sign of life too.
  const facts = await unlessUnreadable(lstatStored({ path: taskFile(logDir, id, 'facts'), what: 'a task' }));
  const lines = await unlessUnreadable(readTail(taskFile(logDir, id, 'agentOutput')));
  const last = lines?.at(-1)?.timestamp;
  const wait = approval ?? (status === 'waiting_input' ? await readWait(logDir, id) : undefined);
  return {
    heartbeat_age_seconds: facts === undefined ? null : age(nowMs, facts.mtimeMs),
    last_line_age_seconds: typeof last === 'string' ? age(nowMs, Date.parse(last)) : null,
    waits_for: wait
      ? { kind: 'approval', name: wait.name, since: wait.since }
      : waitingIn(lines ?? [], typeof model === 'string' ? model : null),
  };
}

/** When the task said that it waits, by the end of its facts. */
async function readWait(logDir: string, id: string): Promise<Approval> {
  const facts = (await unlessUnreadable(readTail(taskFile(logDir, id, 'facts')))) ?? [];
  const wait = facts.findLast(({ body }) => objectOf(body).status === 'waiting_input');
  return { name: null, since: typeof wait?.timestamp === 'string' ? wait.timestamp : null };
}

function age(nowMs: number, thenMs: number): number | null {
  return Number.isFinite(thenMs) ? Math.max(0, Math.round((nowMs - thenMs) / 100) / 10) : null;
}

async function readTail(path: string): Promise<readonly JsonObject[]> {
  const opened = await openStored({ path, what: 'a line file of a task' });
  if (opened === undefined) return [];
  const { handle, size } = opened;
  try {
    for (let bytes = TAIL_BYTES; ; bytes *= 2) {
      const from = Math.max(0, size - bytes);
      const buffer = Buffer.allocUnsafe(size - from);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
      const texts = buffer.toString('utf8', 0, bytesRead).split('\n');
      // The first one is torn, and so may be the last one.
      const whole = from === 0 ? texts : texts.slice(1);
      const lines = whole.map((text) => parseObject(text)).filter((line) => line !== undefined);
      if (lines.length > 0 || from === 0 || bytes >= TAIL_BYTES_MAX) return lines;
    }
  } finally {
    await handle.close();
  }
}
