import { attemptIn } from '../../model/attempt.ts';
import { ATTR } from '../../model/attributes.ts';
import type { GenAiSpanKind } from '../../model/genai-conventions.ts';
import { isJsonObject, type JsonValue } from '../../model/json.ts';
import { type OtlpKeyValue, plainFromAnyValue, type ReceivedSpan } from '../../model/otlp.ts';
import { markOfSpan, type SenderMark } from '../../model/sender.ts';
import { type CallAmounts, callAmounts, genAiValues, groupAmounts, kindOf, nameIn } from './call-values.ts';

/** A span of a task, as far as the tokens of the task depend on it. */
export interface GenAiSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  /** Name of the instrumentation scope. */
  readonly scope: string;
  readonly startMicros: number;
  readonly endMicros: number;
  /** Null: the span names none. */
  readonly attempt: number | null;
  /** Undefined: nothing in the span is about a model. */
  readonly kind: GenAiSpanKind | undefined;
  readonly model: string | null;
  readonly responseId: string | null;
  /** Undefined: no tokens are reported. */
  readonly amounts: CallAmounts | undefined;
  /** The span of an agent's run that tasktrail itself recorded. */
  readonly isRun: boolean;
  readonly isOwn: boolean;
  /** Undefined: the trail. */
  readonly sender: SenderMark | undefined;
}

export function readGenAiSpan({ resource, scope, span }: ReceivedSpan, isOwn: boolean): GenAiSpan {
  const scopeName = typeof scope?.name === 'string' ? scope.name : '';
  const values = genAiValues(plainPairs(span.attributes), scopeName);
  const group = groupAmounts(values);
  const amounts = callAmounts(values) ?? group;
  const named = kindOf(values);
  const kind = group !== undefined ? 'group' : (named ?? (amounts === undefined ? undefined : 'call'));
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentId: span.parentSpanId ?? null,
    scope: scopeName,
    startMicros: microsOf(span.startTimeUnixNano),
    endMicros: microsOf(span.endTimeUnixNano),
    attempt: attemptOf(span.attributes) ?? attemptOf(resource?.attributes),
    kind,
    model: nameIn(values, 'responseModel') ?? nameIn(values, 'requestModel'),
    responseId: nameIn(values, 'responseId'),
    amounts,
    isRun: isOwn && values.get('operation')?.[0] === 'invoke_agent',
    isOwn,
    sender: markOfSpan(span.attributes),
  };
}

/** A double has no room for nanoseconds since the epoch. */
function microsOf(nanos: string): number {
  return Math.trunc(Number(nanos) / 1000);
}

function attemptOf(attributes: readonly OtlpKeyValue[] | undefined): number | null {
  for (const [name, value] of plainPairs(attributes)) {
    if (name !== ATTR.attempt) continue;
    const attempt = typeof value === 'string' ? Number(value) : value;
    const counted = attemptIn(attempt);
    if (counted !== undefined) return counted;
  }
  return null;
}

/** The attributes as plain values. */
export function* plainPairs(attributes: readonly OtlpKeyValue[] | undefined): Generator<[string, JsonValue]> {
  // A line of a trace may have been edited by hand.
  if (!Array.isArray(attributes)) return;
  for (const attribute of attributes as readonly OtlpKeyValue[]) {
    if (isJsonObject(attribute) && typeof attribute.key === 'string')
      yield [attribute.key, plainFromAnyValue(attribute.value)];
  }
}
