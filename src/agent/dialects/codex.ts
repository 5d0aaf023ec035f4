import type { AgentOutput } from '../../model/agent-output.ts';
import type { Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue, objectOf } from '../../model/json.ts';
import { codexTool } from './codex-tool.ts';
import {
  type Dialect,
  type DialectReader,
  NO_LAST_WORD,
  outputOf,
  UNKNOWN_USAGE,
  type Verdict,
} from './dialect.ts';
import { fields, parseObjectLine, rawSystem, textOrNull, unknownMessage } from './json-line.ts';
import { ToolNames, toolCall } from './tool-use.ts';
import { amount, saysNothing } from './usage-counts.ts';

/** `codex exec --json`. No `telemetryEnv`: where it sends is set in its configuration, not in variables. */
export const codex: Dialect = { name: 'codex', open: () => new CodexReader() };

/** What it prints, as an `error`, before each new try of a request. */
const RETRY = /^Reconnecting\.\.\. \d+\/\d+/;

class CodexReader implements DialectReader {
  /** Codex never prints it. */
  readonly model = null;
  /** The last message of the agent: what Codex itself takes for the result. */
  #message: string | null = null;
  #lastWord: Verdict = NO_LAST_WORD;
  readonly #calls = new ToolNames();

  read(line: string, partial: boolean): readonly AgentOutput[] {
    const message = partial ? undefined : parseObjectLine(line);
    if (message === undefined) return [outputOf(line, partial)];
    switch (message.type) {
      case 'item.started':
        return this.#started(message, line);
      case 'item.completed':
        return this.#completed(message, line);
      case 'turn.started':
        // A turn that has begun is open until it says how it ended, whatever the one before it said.
        this.#lastWord = NO_LAST_WORD;
        this.#message = null;
        return [unknownMessage(line, message)];
      case 'turn.completed':
        return [this.#turnCompleted(message)];
      case 'turn.failed':
        return [this.#turnFailed(message)];
      case 'error':
        return [this.#error(message, line)];
      default:
        return [rawSystem(line, fields(message, ['type', 'thread_id'], { type: 'message_type' }))];
    }
  }

  end(): readonly AgentOutput[] {
    return [];
  }

  verdict(): Verdict {
    return this.#lastWord;
  }

  #started(message: JsonObject, line: string): readonly AgentOutput[] {
    const item = objectOf(message.item);
    const tool = codexTool(item);
    if (tool === undefined) return [otherItem(line, message)];
    this.#calls.called(item.id, tool.name);
    return [toolCall({ name: tool.name, input: tool.input, id: item.id })];
  }

  #completed(message: JsonObject, line: string): readonly AgentOutput[] {
    const item = objectOf(message.item);
    switch (item.type) {
      case 'agent_message':
        if (typeof item.text !== 'string') break;
        this.#message = item.text;
        return [{ type: 'output', content: item.text }];
      case 'reasoning':
        if (typeof item.text !== 'string') break;
        return [{ type: 'thinking', content: item.text }];
      case 'error':
        // A warning, that a model is not known to it for one: the turn goes on.
        if (typeof item.message !== 'string') break;
        return [{ type: 'system', content: item.message, more: { item_type: 'error', level: 'warning' } }];
    }
    return this.#toolResult(item) ?? [otherItem(line, message)];
  }

  #toolResult(item: JsonObject): readonly AgentOutput[] | undefined {
    const tool = codexTool(item);
    if (tool === undefined) return undefined;
    const result: AgentOutput = {
      type: 'tool_result',
      content: tool.output,
      toolName: tool.name,
      ...(typeof item.id === 'string' && { toolUseId: item.id }),
      isError: tool.failed,
      more: fields(item, ['status', 'exit_code']),
    };
    // Some items are printed only when they are over: their one line is call and result.
    if (this.#calls.answered(item.id)) return [result];
    return [toolCall({ name: tool.name, input: tool.input, id: item.id }), result];
  }

  #turnCompleted(message: JsonObject): AgentOutput {
    this.#lastWord = { success: true, result: this.#message, error: null, usage: usageOf(message.usage) };
    const more = { message_type: 'turn.completed', is_error: false, ...fields(message, ['usage']) };
    return { type: 'result', content: this.#message ?? '', more };
  }

  #turnFailed(message: JsonObject): AgentOutput {
    const words = textOrNull(objectOf(message.error).message) ?? this.#lastWord.error;
    const error = words ?? 'the turn failed without a reason';
    // It has no usage: what the turn used until then is not known.
    this.#lastWord = { success: false, result: null, error, usage: UNKNOWN_USAGE };
    return { type: 'result', content: error, more: { message_type: 'turn.failed', is_error: true } };
  }

  #error(message: JsonObject, line: string): AgentOutput {
    const { message: text } = message;
    if (typeof text !== 'string') return unknownMessage(line, message);
    if (RETRY.test(text))
      return { type: 'system', content: text, more: { message_type: 'error', retry: true } };
    this.#lastWord = { ...NO_LAST_WORD, error: text };
    return { type: 'error', content: text };
  }
}

/** Plans, to-do lists, and what later releases add. */
function otherItem(line: string, message: JsonObject): AgentOutput {
  const item = isJsonObject(message.item) ? fields(message.item, ['type'], { type: 'item_type' }) : {};
  return rawSystem(line, { ...fields(message, ['type'], { type: 'message_type' }), ...item });
}

/** The sum of the whole thread so far, not of the turn: of several the last one counts. Reasoning is in the output. */
function usageOf(value: JsonValue | undefined): Usage {
  const said = objectOf(value);
  const usage = {
    costUsd: null,
    inputTokens: amount(said.input_tokens),
    outputTokens: amount(said.output_tokens),
    cacheReadInputTokens: amount(said.cached_input_tokens),
    cacheCreationInputTokens: amount(said.cache_write_input_tokens),
  };
  return saysNothing(usage) ? UNKNOWN_USAGE : usage;
}
