import { isJsonObject, type JsonObject, type JsonValue, parseJson } from '../../model/json.ts';
import type { ReceivedSpan } from '../../model/otlp.ts';
import { isoFromNanos } from '../../model/time.ts';
import { plainPairs } from './call-span.ts';
import { type GenAiValues, genAiValues, kindOf, nameIn } from './call-values.ts';

/** A tool call, or its result, that telemetry reports. */
export interface ToolReport {
  readonly type: 'tool_call' | 'tool_result';
  readonly toolUseId: string;
  readonly timeUnixNano: string;
  readonly toolName: string | null;
  /** Arguments of a call, content of a result. */
  readonly value: JsonValue;
  readonly isError: boolean;
}

interface Source {
  readonly values: GenAiValues;
  /** All attributes, for conventions that number their names. */
  readonly pairs: Iterable<readonly [string, JsonValue]>;
  readonly startNanos: string;
  readonly endNanos: string;
  readonly isError: boolean;
}

/** As many calls as one answer of a model, or results as one history, may hold. The limit bounds hostile data. */
const REPORTS_MAX = 1_000;

const STATUS_ERROR = 2;

/**
 * Tool calls with an id in a span: those that the answer of a model asks for, the results in its input, and the executed one.
 * A call without an id could not be told from the same call in another span.
 */
export function toolsOfSpan({ scope, span }: ReceivedSpan): ToolReport[] {
  const pairs = [...plainPairs(span.attributes)];
  return reportsOf({
    values: genAiValues(pairs, typeof scope?.name === 'string' ? scope.name : ''),
    pairs,
    startNanos: span.startTimeUnixNano,
    endNanos: span.endTimeUnixNano,
    isError: span.status?.code === STATUS_ERROR,
  });
}

/** Events of the conventions about a call; those with a body are the ones before 1.37. */
const LOG_EVENTS: ReadonlySet<string> = new Set([
  'gen_ai.client.inference.operation.details',
  'gen_ai.choice',
  'gen_ai.assistant.message',
  'gen_ai.tool.message',
]);

export interface GenAiLog {
  readonly eventName: string;
  readonly attributes: JsonObject;
  readonly body: JsonValue | undefined;
  readonly timeUnixNano: string;
}

/** As `toolsOfSpan`, for the log records of a model call. */
export function toolsOfLog({ eventName, attributes, body, timeUnixNano }: GenAiLog): ToolReport[] {
  if (!LOG_EVENTS.has(eventName)) return [];
  const pairs = Object.entries(attributes).filter(
    (pair): pair is [string, JsonValue] => pair[1] !== undefined,
  );
  const at = { startNanos: timeUnixNano, endNanos: timeUnixNano, isError: false };
  const reports = reportsOf({ values: genAiValues(pairs, ''), pairs, ...at });
  const message = isJsonObject(body) ? body : {};
  const calls = isJsonObject(message.message) ? message.message.tool_calls : message.tool_calls;
  for (const call of listOf(calls)) addCall(reports, call, timeUnixNano);
  if (eventName === 'gen_ai.tool.message') addResult(reports, message.id, message.content, at);
  return reports.slice(0, REPORTS_MAX);
}

function reportsOf(source: Source): ToolReport[] {
  const { values, startNanos, endNanos } = source;
  const reports: ToolReport[] = [];
  if (kindOf(values) === 'tool') return executed(source);
  // The result of an earlier call is in the input, so it was there when this call started.
  for (const list of values.get('inputMessages') ?? [])
    for (const part of partsOf(list))
      if (part.type === 'tool_call_response')
        addResult(reports, part.id, part.response ?? part.result, source);
  for (const list of values.get('outputMessages') ?? [])
    for (const part of partsOf(list)) if (part.type === 'tool_call') addCall(reports, part, endNanos);
  for (const list of values.get('toolCalls') ?? [])
    for (const call of listOf(list)) addCall(reports, call, endNanos);
  addNumbered(reports, source);
  return reports
    .slice(0, REPORTS_MAX)
    .map((report) => ({ ...report, timeUnixNano: report.timeUnixNano || startNanos }));
}

/** The execution of a tool: its call at the start, its result at the end. */
function executed({ values, startNanos, endNanos, isError }: Source): ToolReport[] {
  const toolUseId = nameIn(values, 'toolCallId');
  if (toolUseId === null) return [];
  const toolName = nameIn(values, 'toolName');
  const [input = null] = values.get('toolArguments') ?? [];
  const [output] = values.get('toolResult') ?? [];
  const call = { toolUseId, toolName, value: parsed(input), isError: false };
  const reports: ToolReport[] = [{ ...call, type: 'tool_call', timeUnixNano: startNanos }];
  // Without its content a result still says that the tool has ended, and how.
  reports.push({ ...call, type: 'tool_result', timeUnixNano: endNanos, value: output ?? '', isError });
  return reports;
}

/**
 * OpenInference: `llm.output_messages.0.message.tool_calls.0.tool_call.id`, `llm.input_messages.2.message.tool_call_id`.
 * OpenLLMetry before GenAI 1.37: `gen_ai.completion.0.tool_calls.0.id`, `gen_ai.prompt.2.tool_call_id`.
 */
const NUMBERED =
  /^(llm\.(?:input|output)_messages\.\d{1,6}\.message|gen_ai\.(?:prompt|completion)\.\d{1,6})\.(?:(tool_calls\.\d{1,6})\.)?(?:tool_call\.)?(?:function\.)?(id|name|arguments|tool_call_id|content)$/;

function addNumbered(reports: ToolReport[], { pairs, startNanos, endNanos }: Source): void {
  const found = new Map<string, Map<string, JsonValue>>();
  for (const [name, value] of pairs) {
    const [, message, call = '', field = ''] = NUMBERED.exec(name) ?? [];
    if (message === undefined) continue;
    const key = `${message} ${call}`;
    const fields = found.get(key) ?? new Map<string, JsonValue>();
    found.set(key, fields.set(field, value));
  }
  for (const [key, fields] of found) {
    const isOutput = key.startsWith('llm.output') || key.startsWith('gen_ai.completion');
    const object = Object.fromEntries(fields);
    if (key.includes('tool_calls')) {
      if (isOutput) addCall(reports, object, endNanos);
    } else if (!isOutput) addResult(reports, object.tool_call_id, object.content, { startNanos });
  }
}

/** A call in the form of any convention: `id` or `toolCallId`; name and arguments flat or in `function`. */
function addCall(reports: ToolReport[], call: JsonValue | undefined, timeUnixNano: string): void {
  if (!isJsonObject(call)) return;
  const inner = isJsonObject(call.function) ? call.function : call;
  const toolUseId = idOf(call.id ?? call.toolCallId);
  if (toolUseId === null) return;
  const value = parsed(inner.arguments ?? call.input ?? call.args ?? null);
  const toolName = idOf(inner.name ?? call.toolName);
  reports.push({ type: 'tool_call', toolUseId, timeUnixNano, toolName, value, isError: false });
}

function addResult(
  reports: ToolReport[],
  id: JsonValue | undefined,
  content: JsonValue | undefined,
  { startNanos }: { readonly startNanos: string },
): void {
  const toolUseId = idOf(id);
  if (toolUseId === null) return;
  const at = { timeUnixNano: startNanos, toolName: null, isError: false };
  reports.push({ type: 'tool_result', toolUseId, value: content ?? '', ...at });
}

function* partsOf(messages: JsonValue): Generator<JsonObject> {
  for (const message of listOf(messages)) {
    if (!isJsonObject(message)) continue;
    for (const part of listOf(message.parts)) if (isJsonObject(part)) yield part;
  }
}

/** A list, also as JSON text: attributes of spans are often text. */
function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  const list = typeof value === 'string' && /^\s*\[/.test(value) ? parseJson(value) : value;
  return Array.isArray(list) ? list : [];
}

function idOf(value: JsonValue | undefined): string | null {
  return typeof value === 'string' && value !== '' && value.length <= 200 ? value : null;
}

/** Arguments are often JSON text. Text that is no JSON stays text. */
function parsed(value: JsonValue): JsonValue {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  return (parseJson(value) as JsonValue | undefined) ?? value;
}

/** Time of a report in the form of lines. */
export function reportTime({ timeUnixNano }: ToolReport): string {
  return isoFromNanos(timeUnixNano);
}
