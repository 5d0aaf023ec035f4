/** What an attribute of a span or record of a model call says. */
export type GenAiMeaning =
  | 'operation'
  | 'requestModel'
  | 'responseModel'
  | 'responseId'
  | 'inputTokens'
  /** Without cached input. */
  | 'uncachedInputTokens'
  | 'outputTokens'
  | 'cacheReadInputTokens'
  | 'cacheCreationInputTokens'
  | 'costUsd'
  | 'groupInputTokens'
  | 'groupOutputTokens'
  | 'groupCacheReadInputTokens'
  | 'groupCacheCreationInputTokens'
  | 'toolName'
  | 'toolCallId'
  | 'toolArguments'
  | 'toolResult'
  | 'inputMessages'
  | 'outputMessages'
  | 'toolCalls';

export type GenAiConvention =
  | 'GenAI'
  | 'GenAI, deprecated'
  | 'OpenLLMetry'
  | 'OpenInference'
  | 'Vercel AI SDK'
  | 'Logfire'
  | 'OpenLIT'
  | 'Claude Code'
  | 'Codex';

export interface GenAiAttribute {
  readonly convention: GenAiConvention;
  readonly meaning: GenAiMeaning;
  readonly name: string;
  /** The name is too general to be read elsewhere: only in spans of the scope with this prefix. */
  readonly scope?: string;
}

type Names = readonly (readonly [GenAiMeaning, string])[];

/**
 * The attributes that are read, by convention. Two names with one meaning are two spellings of one value: the first name in
 * this order that has a readable value is used.
 */
export const GENAI_ATTRIBUTES: readonly GenAiAttribute[] = [
  // semantic-conventions-genai, registry `gen_ai`; `cache_creation` is the spelling before 0.1.0.
  ...rows('GenAI', [
    ['operation', 'gen_ai.operation.name'],
    ['requestModel', 'gen_ai.request.model'],
    ['responseModel', 'gen_ai.response.model'],
    ['responseId', 'gen_ai.response.id'],
    ['inputTokens', 'gen_ai.usage.input_tokens'],
    ['outputTokens', 'gen_ai.usage.output_tokens'],
    ['cacheReadInputTokens', 'gen_ai.usage.cache_read.input_tokens'],
    ['cacheCreationInputTokens', 'gen_ai.usage.cache_write.input_tokens'],
    ['cacheCreationInputTokens', 'gen_ai.usage.cache_creation.input_tokens'],
    ['costUsd', 'tasktrail.cost.usd'],
    ['toolName', 'gen_ai.tool.name'],
    ['toolCallId', 'gen_ai.tool.call.id'],
    ['toolArguments', 'gen_ai.tool.call.arguments'],
    ['toolResult', 'gen_ai.tool.call.result'],
    ['inputMessages', 'gen_ai.input.messages'],
    ['outputMessages', 'gen_ai.output.messages'],
  ]),
  ...rows('GenAI, deprecated', [
    ['inputTokens', 'gen_ai.usage.prompt_tokens'],
    ['outputTokens', 'gen_ai.usage.completion_tokens'],
  ]),
  // opentelemetry-semantic-conventions-ai, `SpanAttributes`. Indexed names are read by `genai-messages.ts`.
  ...rows('OpenLLMetry', [
    ['operation', 'traceloop.span.kind'],
    ['operation', 'llm.request.type'],
    ['requestModel', 'llm.request.model'],
    ['responseModel', 'llm.response.model'],
    ['inputTokens', 'llm.usage.prompt_tokens'],
    ['outputTokens', 'llm.usage.completion_tokens'],
    ['cacheReadInputTokens', 'gen_ai.usage.cache_read_input_tokens'],
    ['cacheCreationInputTokens', 'gen_ai.usage.cache_creation_input_tokens'],
    ['cacheReadInputTokens', 'llm.usage.cache_read_input_tokens'],
    ['cacheCreationInputTokens', 'llm.usage.cache_creation_input_tokens'],
  ]),
  // OpenInference, spec/semantic_conventions.md. Indexed names are read by `genai-messages.ts`.
  ...rows('OpenInference', [
    ['operation', 'openinference.span.kind'],
    ['responseModel', 'llm.response.model_name'],
    ['responseModel', 'llm.model_name'],
    ['responseModel', 'embedding.model_name'],
    ['requestModel', 'llm.request.model_name'],
    ['inputTokens', 'llm.token_count.prompt'],
    ['outputTokens', 'llm.token_count.completion'],
    ['cacheReadInputTokens', 'llm.token_count.prompt_details.cache_read'],
    ['cacheCreationInputTokens', 'llm.token_count.prompt_details.cache_write'],
    ['costUsd', 'llm.cost.total'],
    ['toolName', 'tool.name'],
    ['toolCallId', 'tool_call.id'],
    ['toolCallId', 'tool.id'],
    ['toolArguments', 'tool_call.function.arguments'],
    ['toolArguments', 'tool.parameters'],
    ['toolResult', 'output.value'],
  ]),
  // AI SDK, "Telemetry": `promptTokens` and `completionTokens` in version 4, `inputTokens` and `outputTokens` since.
  ...rows('Vercel AI SDK', [
    ['operation', 'ai.operationId'],
    ['responseModel', 'ai.response.model'],
    ['requestModel', 'ai.model.id'],
    ['responseId', 'ai.response.id'],
    ['inputTokens', 'ai.usage.inputTokens'],
    ['inputTokens', 'ai.usage.promptTokens'],
    ['inputTokens', 'ai.usage.tokens'],
    ['outputTokens', 'ai.usage.outputTokens'],
    ['outputTokens', 'ai.usage.completionTokens'],
    ['cacheReadInputTokens', 'ai.usage.inputTokenDetails.cacheReadTokens'],
    ['cacheReadInputTokens', 'ai.usage.cachedInputTokens'],
    ['cacheCreationInputTokens', 'ai.usage.inputTokenDetails.cacheWriteTokens'],
    ['toolName', 'ai.toolCall.name'],
    ['toolCallId', 'ai.toolCall.id'],
    ['toolArguments', 'ai.toolCall.args'],
    ['toolResult', 'ai.toolCall.result'],
    ['toolCalls', 'ai.response.toolCalls'],
    ['toolCalls', 'ai.result.toolCalls'],
  ]),
  // Pydantic AI writes GenAI names; those of the whole run, of the price and of old versions are its own.
  ...rows('Logfire', [
    ['groupInputTokens', 'gen_ai.aggregated_usage.input_tokens'],
    ['groupOutputTokens', 'gen_ai.aggregated_usage.output_tokens'],
    ['groupCacheReadInputTokens', 'gen_ai.aggregated_usage.cache_read.input_tokens'],
    ['groupCacheCreationInputTokens', 'gen_ai.aggregated_usage.cache_creation.input_tokens'],
    ['costUsd', 'operation.cost'],
    ['toolArguments', 'tool_arguments'],
    ['toolResult', 'tool_response'],
  ]),
  ...rows('OpenLIT', [['costUsd', 'gen_ai.usage.cost']]),
  ...rows(
    'Claude Code',
    [
      ['uncachedInputTokens', 'input_tokens'],
      ['outputTokens', 'output_tokens'],
      ['cacheReadInputTokens', 'cache_read_tokens'],
      ['cacheCreationInputTokens', 'cache_creation_tokens'],
    ],
    'com.anthropic.claude_code.',
  ),
  ...rows(
    'Codex',
    [
      ['requestModel', 'model'],
      ['groupInputTokens', 'codex.turn.token_usage.input_tokens'],
      ['groupOutputTokens', 'codex.turn.token_usage.output_tokens'],
      ['groupCacheReadInputTokens', 'codex.turn.token_usage.cached_input_tokens'],
      ['groupCacheCreationInputTokens', 'codex.turn.token_usage.cache_write_input_tokens'],
    ],
    'codex',
  ),
];

/** `call`: one request to a model. `tool`: one execution of a tool. `group`: a span around calls, such as an agent or a chain. */
export type GenAiSpanKind = 'call' | 'tool' | 'group';

/** Values of the attributes with the meaning `operation`, in lower case. Other values say nothing. */
export const GENAI_OPERATIONS: ReadonlyMap<string, GenAiSpanKind> = new Map([
  ...kinds('tool', ['execute_tool', 'tool', 'ai.toolcall']),
  ...kinds('call', [
    'chat',
    'text_completion',
    'completion',
    'generate_content',
    'embeddings',
    'embedding',
    'llm',
  ]),
  ...kinds('group', ['invoke_agent', 'create_agent', 'invoke_workflow', 'plan', 'agent', 'workflow', 'task']),
  ...kinds('group', ['chain', 'retriever', 'reranker', 'guardrail', 'evaluator', 'prompt', 'decision']),
  ...['generatetext', 'streamtext', 'generateobject', 'streamobject', 'embed', 'embedmany', 'rerank'].flatMap(
    (operation): [string, GenAiSpanKind][] => [
      [`ai.${operation}`, 'group'],
      [`ai.${operation}.dogenerate`, 'call'],
      [`ai.${operation}.dostream`, 'call'],
      [`ai.${operation}.doembed`, 'call'],
      [`ai.${operation}.dorerank`, 'call'],
    ],
  ),
]);

function rows(convention: GenAiConvention, names: Names, scope?: string): GenAiAttribute[] {
  return names.map(([meaning, name]) => ({
    convention,
    meaning,
    name,
    ...(scope !== undefined && { scope }),
  }));
}

function kinds(kind: GenAiSpanKind, values: readonly string[]): [string, GenAiSpanKind][] {
  return values.map((value) => [value, kind]);
}
