import type { Context } from '@opentelemetry/api';
import type {
  AgentOutcome,
  AgentOutput,
  AgentRecording,
  BudgetNotice,
  OutputPlace,
  RunOrigin,
} from '../../model/agent-output.ts';
import { ATTR } from '../../model/attributes.ts';
import type { Spent } from '../../model/budget.ts';
import type { Usage } from '../../model/documents.ts';
import { EVENT } from '../../model/events.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import { mintMoment, outputEventId } from '../mint.ts';
import { activeRecorder, type SpanAttributes } from '../recorder.ts';
import { type Failure, Scope } from '../scope.ts';
import { outputRecord } from './output.ts';

/** Limit of tool calls without a result: an agent that never returns results must not exhaust the memory. */
const OPEN_TOOLS_MAX = 1000;

/** The task of a run. */
export interface RunOwner {
  readonly attempt: number;
  readonly attributes: Readonly<Record<string, JsonValue>>;
  readonly spanAttributes: SpanAttributes;
  /** Returns what it has added. */
  usage(usage: Usage): Usage;
  /** What the task has used when this is added. */
  used(usage: Usage): Spent;
  metadata(fields: JsonObject): void;
}

export interface AgentRunStart {
  readonly agent: string;
  readonly parent: Context;
  /** The span of a run that an earlier process started; it continues under the same ids. */
  readonly origin?: RunOrigin | undefined;
}

/** Records a run: an `invoke_agent` span, its output lines, and an `execute_tool` span for each tool call. */
export class AgentRun implements AgentRecording {
  readonly origin: RunOrigin | undefined;
  readonly #task: RunOwner;
  readonly #scope: Scope;
  readonly #tools = new Map<string, Scope>();
  /** Tool calls of an earlier process without a result so far. */
  readonly #replayed = new Map<string, { readonly call: AgentOutput; readonly timeMs: number }>();
  readonly #agent: string;
  #model: string | null = null;

  constructor(task: RunOwner, { agent, parent, origin }: AgentRunStart) {
    this.#task = task;
    this.#agent = agent;
    this.#scope = new Scope({
      name: `invoke_agent ${agent}`,
      kind: 'internal',
      parent,
      attributes: {
        ...task.spanAttributes,
        [ATTR.genAiOperation]: 'invoke_agent',
        [ATTR.genAiAgentName]: agent,
      },
      ...(origin !== undefined && { resumed: { traceId: origin.traceId, spanId: origin.spanId } }),
    });
    const { ids, startedAtMs } = this.#scope;
    this.origin =
      origin ?? (ids === undefined ? undefined : { traceId: ids.traceId, spanId: ids.spanId, startedAtMs });
    this.#scope.emit(EVENT.metadata, {
      body: { assigned_agent: agent },
      attributes: { ...task.attributes, ...this.#scope.announcement() },
    });
  }

  get traceparent(): string | undefined {
    return this.#scope.traceparent;
  }

  get context(): Context {
    return this.#scope.context;
  }

  model(name: string): void {
    if (this.#model === name) return;
    this.#model = name;
    this.#scope.setAttributes({ [ATTR.genAiRequestModel]: name });
    this.#task.metadata({ model: name });
  }

  output(output: AgentOutput, place: OutputPlace): void {
    if (!this.#scope.recording) return;
    const tool =
      output.toolUseId === undefined ? undefined : this.#toolScope(output, output.toolUseId, place.timeMs);
    const { body, attributes } = outputRecord(output);
    // Without an origin (the SDK failed) there is no span to derive the id from; the output is recorded all the same.
    const eventId = this.origin === undefined ? mintMoment().eventId : outputEventId(this.origin, place);
    (tool ?? this.#scope).emit(EVENT.output, {
      body,
      attributes,
      shared: this.#task.attributes,
      moment: { timeMs: place.timeMs, eventId },
    });
    if (output.type === 'tool_result' && output.toolUseId !== undefined) {
      this.#tools.delete(output.toolUseId);
      // The time of the output, not now: a process that reads the file again after a crash must build the same span.
      tool?.end(output.isError === true ? { errorType: 'tool_error' } : undefined, place.timeMs);
    }
  }

  used(usage: Usage): Spent {
    return this.#task.used(usage);
  }

  notice(notice: BudgetNotice): void {
    const { timeMs, ...amount } = notice;
    const said = { ...amount, at: isoFromMs(timeMs), attempt: this.#task.attempt };
    // The fold keeps one for each amount: several may be noticed at once.
    this.#task.metadata({
      budget_notice: said,
      ...(!notice.exceeded && { budget_notices: { [notice.kind]: said } }),
    });
  }

  replay(output: AgentOutput, { timeMs }: OutputPlace): void {
    const { type, toolUseId } = output;
    if (toolUseId === undefined) return;
    if (type === 'tool_result') this.#replayed.delete(toolUseId);
    else if (type === 'tool_call' && this.#replayed.size < OPEN_TOOLS_MAX)
      this.#replayed.set(toolUseId, { call: output, timeMs });
  }

  flush(): void {
    activeRecorder()?.flush();
  }

  end(outcome: AgentOutcome): void {
    if (this.#scope.ended) return;
    for (const callId of this.#replayed.keys()) this.#reopenTool(callId);
    for (const tool of this.#tools.values()) tool.end({ errorType: 'unfinished' });
    this.#tools.clear();
    if (outcome.model !== null) this.model(outcome.model);
    const usage = this.#task.usage(outcome.usage);
    const amounts = {
      [ATTR.genAiInputTokens]: usage.inputTokens ?? undefined,
      [ATTR.genAiOutputTokens]: usage.outputTokens ?? undefined,
      [ATTR.genAiCacheReadTokens]: usage.cacheReadInputTokens ?? undefined,
      [ATTR.genAiCacheCreationTokens]: usage.cacheCreationInputTokens ?? undefined,
      [ATTR.costUsd]: usage.costUsd ?? undefined,
    };
    this.#scope.setAttributes(amounts);
    const failure = outcome.success ? undefined : failureOf(outcome);
    const closing = this.#scope.closing(failure);
    if (Object.keys(closing).length > 0) {
      const model = this.#model === null ? {} : { [ATTR.genAiRequestModel]: this.#model };
      const attributes = { ...this.#task.attributes, ...amounts, ...model, ...closing };
      this.#scope.emit(EVENT.metadata, { body: {}, attributes });
    }
    this.#scope.end(failure);
  }

  /** The open span of a call. The span of a replayed call is opened with its original start time. */
  #toolScope(output: AgentOutput, callId: string, timeMs: number): Scope | undefined {
    const open = this.#tools.get(callId) ?? this.#reopenTool(callId);
    if (open !== undefined || output.type !== 'tool_call' || this.#tools.size >= OPEN_TOOLS_MAX) return open;
    return this.#openTool(output, callId, timeMs);
  }

  #reopenTool(callId: string): Scope | undefined {
    const replayed = this.#replayed.get(callId);
    if (replayed === undefined) return undefined;
    this.#replayed.delete(callId);
    return this.#openTool(replayed.call, callId, replayed.timeMs);
  }

  #openTool(call: AgentOutput, callId: string, startedAtMs: number): Scope {
    const name = call.toolName ?? 'unknown';
    const scope = new Scope({
      name: `execute_tool ${name}`,
      kind: 'internal',
      parent: this.#scope.context,
      attributes: {
        ...this.#task.spanAttributes,
        [ATTR.genAiOperation]: 'execute_tool',
        [ATTR.genAiAgentName]: this.#agent,
        [ATTR.genAiToolName]: name,
        [ATTR.genAiToolCallId]: callId,
      },
      // A process that reads the same call again gets the same span id.
      derivedFrom: `${this.#scope.ids?.spanId}\n${callId}`,
      startedAtMs,
    });
    this.#tools.set(callId, scope);
    return scope;
  }
}

function failureOf({ errorType, error }: AgentOutcome): Failure {
  return { errorType: errorType ?? 'agent_error', ...(error === null ? {} : { message: error }) };
}
