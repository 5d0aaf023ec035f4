import { attemptIn } from '../model/attempt.ts';
import { ATTR } from '../model/attributes.ts';
import { type JsonObject, objectOf, parseObject } from '../model/json.ts';
import type { CompareReader } from './compare-reader.ts';
import { orderedSteps } from './step-order.ts';
import type { TaskStep } from './task-step.ts';

/** Steps in memory. Each takes some hundred bytes; the others are counted. */
const STEPS_MAX = 20_000;

/** The scope of the spans that are made here. An agent's own spans have others. */
const SCOPE = 'tasktrail';

export interface TaskSteps {
  readonly steps: readonly TaskStep[];
  /** Spans that are not kept, of other kinds, and of programs that the task has started. */
  readonly others: number;
  /** Steps for which there was no room. */
  readonly leftOut: number;
}

/** The steps of a task in the order of their beginnings. */
export async function readSteps(
  reader: Pick<CompareReader, 'openTrace'>,
  taskId: string,
  {
    signal,
    isKept = () => true,
  }: { readonly signal: AbortSignal; readonly isKept?: (step: TaskStep) => boolean },
): Promise<TaskSteps> {
  const flow = await reader.openTrace(taskId);
  if (flow === undefined) return { steps: [], others: 0, leftOut: 0 };
  const steps: TaskStep[] = [];
  let others = 0;
  let leftOut = 0;
  try {
    for await (const line of flow.lines()) {
      signal.throwIfAborted();
      const step = stepOf(parseObject(line) ?? {});
      if (step === undefined || !isKept(step)) others += 1;
      else if (steps.length < STEPS_MAX) steps.push(step);
      else leftOut += 1;
    }
  } finally {
    await flow.close();
  }
  return { steps: orderedSteps(steps), others, leftOut };
}

function stepOf(span: JsonObject): TaskStep | undefined {
  const attributes = objectOf(span.attributes);
  const named = kindOf(span, attributes);
  const { start_time: at, duration_ms: ms, span_id: spanId } = span;
  if (named === undefined || typeof at !== 'string' || typeof spanId !== 'string') return undefined;
  return {
    ...named,
    phase: textOrNull(attributes[ATTR.phaseName]),
    step: textOrNull(attributes[ATTR.stepName]),
    attempt: attemptIn(Number(attributes[ATTR.attempt] ?? 1)) ?? 1,
    at,
    seconds: typeof ms === 'number' ? Math.round(ms) / 1_000 : 0,
    isFailed: span.status === 'error',
    errorType: textOrNull(attributes[ATTR.errorType]),
    spanId,
    parentId: textOrNull(span.parent_span_id),
    costUsd: numberOrNull(attributes[ATTR.costUsd]),
    inputTokens: numberOrNull(attributes[ATTR.genAiInputTokens]),
    outputTokens: numberOrNull(attributes[ATTR.genAiOutputTokens]),
  };
}

function kindOf(span: JsonObject, attributes: JsonObject): Pick<TaskStep, 'kind' | 'name'> | undefined {
  const { name, scope, kind } = span;
  if (scope !== SCOPE || typeof name !== 'string') return undefined;
  const operation = attributes[ATTR.genAiOperation];
  if (operation === 'execute_tool')
    return { kind: 'tool', name: textOrNull(attributes[ATTR.genAiToolName]) ?? name };
  if (operation === 'invoke_agent')
    return { kind: 'agent', name: textOrNull(attributes[ATTR.genAiAgentName]) ?? name };
  if (kind === 'consumer') return { kind: 'attempt', name };
  for (const word of ['workflow', 'phase', 'step'] as const)
    if (name.startsWith(`${word} `)) return { kind: word, name: name.slice(word.length + 1) };
  return undefined;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
