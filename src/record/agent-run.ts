import type { Context } from '@opentelemetry/api';
import type { AgentOutcome, AgentOutput, AgentRecording } from '../model/agent.ts';
import { ATTR } from '../model/attributes.ts';
import type { Usage } from '../model/documents.ts';
import { EVENT } from '../model/events.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';
import { outputRecord } from './output.ts';
import type { SpanAttributes } from './recorder.ts';
import { Scope } from './scope.ts';

/** Tool calls that wait for their result; an agent that never answers any must not grow the process. */
const OPEN_TOOLS_MAX = 1000;

/** What a run needs of the task that it belongs to. */
export interface RunOwner {
  readonly attributes: Readonly<Record<string, JsonValue>>;
  readonly spanAttributes: SpanAttributes;
  usage(usage: Usage): void;
  metadata(fields: JsonObject): void;
}

/** One `invoke_agent` span, its output lines, and an `execute_tool` span for each tool call in them. */
export class AgentRun implements AgentRecording {
  readonly #task: RunOwner;
  readonly #scope: Scope;
  readonly #tools = new Map<string, Scope>();
  #model: string | null = null;

  constructor(task: RunOwner, agent: string, parent: Context) {
    this.#task = task;
    this.#scope = new Scope({
      name: `invoke_agent ${agent}`,
      kind: 'internal',
      parent,
      attributes: {
        ...task.spanAttributes,
        [ATTR.genAiOperation]: 'invoke_agent',
        [ATTR.genAiAgentName]: agent,
      },
    });
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

  output(output: AgentOutput): void {
    if (!this.#scope.recording) return;
    const tool = output.toolUseId === undefined ? undefined : this.#toolScope(output, output.toolUseId);
    const { body, attributes } = outputRecord(output);
    (tool ?? this.#scope).emit(EVENT.output, {
      body,
      attributes: { ...this.#task.attributes, ...attributes },
    });
    if (output.type === 'tool_result' && output.toolUseId !== undefined) {
      this.#tools.delete(output.toolUseId);
      tool?.end(output.isError === true ? { errorType: 'tool_error' } : undefined);
    }
  }

  end(outcome: AgentOutcome): void {
    if (this.#scope.ended) return;
    for (const tool of this.#tools.values()) tool.end({ errorType: 'unfinished' });
    this.#tools.clear();
    if (outcome.model !== null) this.model(outcome.model);
    const usage = outcome.usage;
    this.#task.usage(usage);
    this.#scope.setAttributes({
      [ATTR.genAiInputTokens]: usage.inputTokens ?? undefined,
      [ATTR.genAiOutputTokens]: usage.outputTokens ?? undefined,
      [ATTR.genAiCacheReadTokens]: usage.cacheReadInputTokens ?? undefined,
      [ATTR.genAiCacheCreationTokens]: usage.cacheCreationInputTokens ?? undefined,
      [ATTR.costUsd]: usage.costUsd ?? undefined,
    });
    if (outcome.success) this.#scope.end();
    else
      this.#scope.end({
        errorType: outcome.errorType ?? 'agent_error',
        ...(outcome.error === null ? {} : { message: outcome.error }),
      });
  }

  #toolScope(output: AgentOutput, callId: string): Scope | undefined {
    const open = this.#tools.get(callId);
    if (open !== undefined || output.type !== 'tool_call' || this.#tools.size >= OPEN_TOOLS_MAX) return open;
    const name = output.toolName ?? 'unknown';
    const scope = new Scope({
      name: `execute_tool ${name}`,
      kind: 'internal',
      parent: this.#scope.context,
      attributes: {
        ...this.#task.spanAttributes,
        [ATTR.genAiOperation]: 'execute_tool',
        [ATTR.genAiToolName]: name,
        [ATTR.genAiToolCallId]: callId,
      },
    });
    this.#tools.set(callId, scope);
    return scope;
  }
}
