import { TasktrailError } from '../../errors.ts';
import { attemptIn } from '../../model/attempt.ts';
import { checkId } from '../../model/ids.ts';
import { type JsonObject, objectOf, parseObject } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import type { McpReader } from '../mcp-reader.ts';
import { readSteps, type TaskStep } from '../task-steps.ts';

/** Tool calls of an attempt in memory; the others are counted. */
const CALLS_MAX = 20_000;

/** What an attempt did, in the order of the beginnings. */
export interface Act {
  readonly kind: 'phase' | 'step' | 'tool';
  readonly name: string;
  readonly phase: string | null;
  readonly at: string;
  /** Null: not known, or not over. */
  readonly seconds: number | null;
  readonly isFailed: boolean;
  /** A hash of the input of a tool call; empty for others. */
  readonly input: string;
  readonly eventId: string | null;
}

export interface AttemptRecord {
  readonly taskId: string;
  readonly attempt: number;
  readonly status: string | null;
  readonly error: string | null;
  readonly seconds: number | null;
  readonly costUsd: number | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Where cost and tokens are from: the result of the task, or the spans of the attempt's agent runs. */
  readonly amountsFrom: 'result' | 'spans';
  readonly acts: readonly Act[];
  readonly leftOut: number;
}

export interface AttemptName {
  readonly task_id: string;
  /** Default: the last one. */
  readonly attempt?: number | undefined;
}

/** What is recorded about an attempt. Throws `ERR_NOT_FOUND` for a task or an attempt that there is not. */
export async function readAttempt(
  reader: McpReader,
  name: AttemptName,
  signal: AbortSignal,
): Promise<AttemptRecord> {
  const taskId = checkId('task_id', name.task_id);
  const metadata = await reader.readDocument(taskId, 'metadata');
  if (metadata === undefined) throw missing(`task ${taskId}`);
  const newest = attemptIn(metadata.attempt) ?? 1;
  const attempt = name.attempt ?? newest;
  if (attempt > newest) throw missing(`attempt ${attempt} of task ${taskId}: it has ${newest}`);
  const { steps, leftOut } = await readSteps(reader, taskId, signal);
  const own = steps.filter((step) => step.attempt === attempt);
  const calls = await readCalls(reader, { taskId, attempt, signal });
  const acts = [...own.flatMap(actOf), ...calls.acts].sort((a, b) =>
    a.at < b.at ? -1 : a.at > b.at ? 1 : 0,
  );
  const result = attempt === newest ? await reader.readDocument(taskId, 'final-result') : undefined;
  return {
    taskId,
    attempt,
    status: attempt === newest ? textOrNull(metadata.status) : 'retried',
    error: textOrNull(result?.error),
    ...amountsOf(own, result),
    acts,
    leftOut: leftOut + calls.leftOut,
  };
}

type Amounts = Pick<AttemptRecord, 'seconds' | 'costUsd' | 'inputTokens' | 'outputTokens' | 'amountsFrom'>;

function amountsOf(steps: readonly TaskStep[], result: JsonObject | undefined): Amounts {
  const whole = steps.find(({ kind }) => kind === 'attempt')?.seconds ?? null;
  if (result !== undefined) {
    const metrics = objectOf(result.metrics);
    return {
      seconds: numberOrNull(metrics.duration_seconds) ?? whole,
      costUsd: numberOrNull(metrics.cost_usd),
      inputTokens: numberOrNull(metrics.input_tokens),
      outputTokens: numberOrNull(metrics.output_tokens),
      amountsFrom: 'result',
    };
  }
  const agents = steps.filter(({ kind }) => kind === 'agent');
  return {
    seconds: whole,
    costUsd: sumOf(agents.map(({ costUsd }) => costUsd)),
    inputTokens: sumOf(agents.map(({ inputTokens }) => inputTokens)),
    outputTokens: sumOf(agents.map(({ outputTokens }) => outputTokens)),
    amountsFrom: 'spans',
  };
}

/** Unknown is not 0: the sum of what is not known is null. */
function sumOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

function actOf({ kind, name, phase, at, seconds, isFailed }: TaskStep): readonly Act[] {
  if (kind !== 'phase' && kind !== 'step') return [];
  return [{ kind, name, phase, at, seconds, isFailed, input: '', eventId: null }];
}

interface OpenCall {
  readonly at: string;
  readonly place: number;
}

/** Tool calls are in the output, with their inputs. Lines of the first attempt have no number. */
async function readCalls(
  reader: McpReader,
  { taskId, attempt, signal }: { taskId: string; attempt: number; signal: AbortSignal },
): Promise<{ readonly acts: readonly Act[]; readonly leftOut: number }> {
  const acts: Act[] = [];
  const open = new Map<string, OpenCall>();
  let leftOut = 0;
  const flow = await reader.openFlow(taskId, 'agent-output');
  if (flow === undefined) return { acts, leftOut };
  try {
    for await (const text of flow.lines()) {
      signal.throwIfAborted();
      // Most lines are no calls, and need not be parsed.
      if (!text.includes('"type":"tool_')) continue;
      const line = parseObject(text) ?? {};
      if ((attemptIn(line.attempt) ?? 1) !== attempt) continue;
      const id = textOrNull(line.tool_use_id) ?? '';
      if (line.type === 'tool_result') endCall(acts, open, id, line);
      else if (line.type !== 'tool_call') continue;
      else if (acts.length >= CALLS_MAX) leftOut += 1;
      else {
        const at = textOrNull(line.timestamp) ?? '';
        open.set(id, { at, place: acts.length });
        acts.push(callOf(line, at));
      }
    }
  } finally {
    await flow.close();
  }
  return { acts, leftOut };
}

function callOf(line: JsonObject, at: string): Act {
  return {
    kind: 'tool',
    name: textOrNull(line.tool_name) ?? 'tool',
    phase: null,
    at,
    seconds: null,
    isFailed: false,
    input: sha256(textOrNull(line.content) ?? '').slice(0, 16),
    eventId: textOrNull(line.event_id),
  };
}

function endCall(acts: Act[], open: Map<string, OpenCall>, id: string, line: JsonObject): void {
  const call = open.get(id);
  const act = call && acts[call.place];
  if (call === undefined || act === undefined) return;
  open.delete(id);
  const ms = Date.parse(textOrNull(line.timestamp) ?? '') - Date.parse(call.at);
  acts[call.place] = {
    ...act,
    seconds: Number.isFinite(ms) ? Math.max(0, ms) / 1_000 : null,
    isFailed: line.is_error === true,
  };
}

function missing(what: string): TasktrailError {
  return new TasktrailError('ERR_NOT_FOUND', `there is no ${what}`);
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
