import { TasktrailError } from '../errors.ts';
import { attemptIn } from '../model/attempt.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import { readArtifacts } from './artifacts.ts';
import type { CompareReader } from './compare-reader.ts';
import type { RunEntry, RunRecord } from './run-record.ts';
import type { TaskStep } from './task-step.ts';
import { readSteps } from './task-steps.ts';
import { readToolCalls } from './tool-calls.ts';
import { nameOf, numberOrNull } from './values.ts';

/** Entries of a side in memory. Each takes some hundred bytes; the others are counted. */
const ENTRIES_MAX = 20_000;

/** Characters of a result or an error. */
const TEXT_MAX = 500;

export interface RunName {
  readonly taskId: string;
  /** Default: the last one. */
  readonly attempt?: number | undefined;
}

/** The names of what is missing, in messages: as the caller has named it. */
export interface RunWords {
  readonly task: string;
  readonly attempt: string;
}

/** What is recorded about an attempt. Throws `ERR_NOT_FOUND` for a task or an attempt that there is not. */
export async function readRun(
  reader: CompareReader,
  { taskId, attempt: wanted }: RunName,
  { words, signal }: { readonly words: RunWords; readonly signal: AbortSignal },
): Promise<RunRecord> {
  const metadata = await reader.readDocument(taskId, 'metadata');
  if (metadata === undefined && !(await reader.hasTask(taskId)))
    throw missing(`${words.task}there is no task ${taskId}`);
  const newest = attemptIn(metadata?.attempt) ?? 1;
  const attempt = wanted ?? newest;
  if (attempt > newest)
    throw missing(`${words.attempt}there is no attempt ${attempt} of task ${taskId}: it has ${newest}`);
  const all = await readSteps(reader, taskId, { signal, isKept: ({ kind }) => kind !== 'tool' });
  const own = all.steps.filter((step) => step.attempt === attempt);
  const calls = await readToolCalls(reader, { taskId, attempt }, { max: ENTRIES_MAX, signal });
  const entries = [...own.flatMap(entryOf), ...calls.entries].sort(byBeginning);
  const made = await readArtifacts(
    reader,
    { taskId, attempt, newest, workflowIds: metadata?.workflow_ids },
    all.steps.filter(({ kind }) => kind === 'attempt'),
  );
  const result = attempt === newest ? await reader.readDocument(taskId, 'final-result') : undefined;
  return {
    taskId,
    attempt,
    status: attempt === newest ? nameOf(metadata?.status) : 'retried',
    result: resultOf(result),
    error: nameOf(result?.error, TEXT_MAX),
    ...amountsOf(own, result),
    entries: entries.slice(0, ENTRIES_MAX),
    artifacts: made.artifacts,
    leftOut: all.leftOut + calls.leftOut + made.leftOut + Math.max(0, entries.length - ENTRIES_MAX),
  };
}

function entryOf({ kind, name, phase, at, seconds, isFailed }: TaskStep): readonly RunEntry[] {
  if (kind !== 'phase' && kind !== 'step') return [];
  const place = { name: nameOf(name) ?? kind, phase: kind === 'step' ? nameOf(phase) : null };
  return [{ kind, ...place, at, seconds, isFailed, input: '', result: '', eventId: null }];
}

/** Entries of one time stay in their order: phases and steps, a parent before its children, then calls. */
function byBeginning(a: RunEntry, b: RunEntry): number {
  return a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
}

function resultOf(result: JsonObject | undefined): string | null {
  const value = result?.result ?? null;
  if (value === null) return null;
  return nameOf(typeof value === 'string' ? value : JSON.stringify(value), TEXT_MAX);
}

type Amounts = Pick<RunRecord, 'seconds' | 'costUsd' | 'inputTokens' | 'outputTokens' | 'amountsFrom'>;

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

function missing(message: string): TasktrailError {
  return new TasktrailError('ERR_NOT_FOUND', message);
}
