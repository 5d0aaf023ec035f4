import type { AgentOutput } from '../../model/agent-output.ts';
import type { Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue, objectOf } from '../../model/json.ts';
import { codexTool } from './codex-tool.ts';
import {
  type Dialect,
  type DialectReader,
  NO_RESULT,
  outputOf,
  UNKNOWN_USAGE,
  type Verdict,
} from './dialect.ts';
import { fields, parseObjectLine, rawSystem, textOrNull, unknownMessage } from './json-line.ts';
import { ToolNames, toolCall } from './tool-use.ts';
import { amount, isUnknown, SessionUsage } from './usage-counts.ts';

/** `codex exec --json`. No `telemetryEnv`: Codex reads its telemetry endpoint from a configuration file only. */
export const codex: Dialect = {
  name: 'codex',
  open: () => new CodexReader(),
  recognises: ({ type, ...message }) =>
    (type === 'thread.started' && typeof message.thread_id === 'string') ||
    (type === 'turn.completed' && isJsonObject(message.usage)) ||
    (type === 'turn.failed' && isJsonObject(message.error)) ||
    ((type === 'item.started' || type === 'item.completed') &&
      isJsonObject(message.item) &&
      typeof message.item.id === 'string' &&
      typeof message.item.type === 'string'),
};

/** Printed as an `error` before each retry of a request. */
const RETRY = /^Reconnecting\.\.\. \d+\/\d+/;

class CodexReader implements DialectReader {
  /** Codex does not print its model. */
  readonly model = null;
  /** The agent's last message, which is the result. */
  #message: string | null = null;
  #verdict: Verdict = NO_RESULT;
  #thread = '';
  #isFinal = false;
  readonly #usage = new SessionUsage();
  readonly #calls = new ToolNames();

  get isFinal(): boolean {
    return this.#isFinal;
  }

  read(line: string, partial: boolean): readonly AgentOutput[] {
    const message = partial ? undefined : parseObjectLine(line);
    if (message === undefined) return [outputOf(line, partial)];
    this.#isFinal = message.type === 'turn.completed' || message.type === 'turn.failed';
    switch (message.type) {
      case 'thread.started':
        this.#thread = textOrNull(message.thread_id) ?? '';
        break;
      case 'item.started':
        return this.#started(message, line);
      case 'item.completed':
        return this.#completed(message, line);
      case 'turn.started':
        // The verdict of an earlier turn does not apply to this one.
        this.#verdict = NO_RESULT;
        this.#message = null;
        return [unknownMessage(line, message)];
      case 'turn.completed':
        return [this.#turnCompleted(message)];
      case 'turn.failed':
        return [this.#turnFailed(message)];
      case 'error':
        return [this.#error(message, line)];
    }
    return [rawSystem(line, fields(message, ['type', 'thread_id'], { type: 'message_type' }))];
  }

  end(): readonly AgentOutput[] {
    return [];
  }

  verdict(): Verdict {
    return { ...this.#verdict, usage: this.#threadUsage() };
  }

  spent(): Usage {
    return this.#withThreads(this.#usage.total() ?? UNKNOWN_USAGE);
  }

  /** A turn that has not been completed has no usage, and that of the turns before would be a part. */
  #threadUsage(): Usage {
    const usage = this.#usage.total();
    if (usage === undefined || this.#verdict.success !== true) return UNKNOWN_USAGE;
    return this.#withThreads(usage);
  }

  #withThreads(usage: Usage): Usage {
    const threads = this.#usage.bySession().filter(([id, amounts]) => id !== '' && !isUnknown(amounts));
    return threads.length === 0 ? usage : { ...usage, threads: Object.fromEntries(threads) };
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
        if (item.text.trim() !== '') this.#message = item.text;
        return [{ type: 'output', content: item.text }];
      case 'reasoning':
        if (typeof item.text !== 'string') break;
        return [{ type: 'thinking', content: item.text }];
      case 'error':
        // A warning, for example about an unknown model. The turn goes on.
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
    // Some items are printed only on completion: the line is both call and result.
    if (this.#calls.answered(item.id)) return [result];
    return [toolCall({ name: tool.name, input: tool.input, id: item.id }), result];
  }

  #turnCompleted(message: JsonObject): AgentOutput {
    this.#verdict = { ...NO_RESULT, success: true, result: this.#message };
    this.#usage.report(this.#thread, usageOf(message.usage));
    const more = { message_type: 'turn.completed', is_error: false, ...fields(message, ['usage']) };
    return { type: 'result', content: this.#message ?? '', more };
  }

  #turnFailed(message: JsonObject): AgentOutput {
    const words = textOrNull(objectOf(message.error).message) ?? this.#verdict.error;
    const error = words ?? 'the turn failed without a reason';
    // This line has no usage.
    this.#verdict = { ...NO_RESULT, error };
    return { type: 'result', content: error, more: { message_type: 'turn.failed', is_error: true } };
  }

  #error(message: JsonObject, line: string): AgentOutput {
    const { message: text } = message;
    if (typeof text !== 'string') return unknownMessage(line, message);
    if (RETRY.test(text))
      return { type: 'system', content: text, more: { message_type: 'error', retry: true } };
    this.#verdict = { ...NO_RESULT, error: text };
    return { type: 'error', content: text };
  }
}

/** Plans, to-do lists, and item types of later releases. */
function otherItem(line: string, message: JsonObject): AgentOutput {
  const item = isJsonObject(message.item) ? fields(message.item, ['type'], { type: 'item_type' }) : {};
  return rawSystem(line, { ...fields(message, ['type'], { type: 'message_type' }), ...item });
}

/** Cumulative over the thread, also when another process resumes it. Output tokens include reasoning. */
function usageOf(value: JsonValue | undefined): Usage {
  const said = objectOf(value);
  const usage = {
    costUsd: null,
    inputTokens: amount(said.input_tokens),
    outputTokens: amount(said.output_tokens),
    cacheReadInputTokens: amount(said.cached_input_tokens),
    cacheCreationInputTokens: amount(said.cache_write_input_tokens),
  };
  return isUnknown(usage) ? UNKNOWN_USAGE : usage;
}
