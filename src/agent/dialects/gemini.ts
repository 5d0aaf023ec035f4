import type { AgentOutput } from '../../model/agent-output.ts';
import type { Amounts, Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue, objectOf } from '../../model/json.ts';
import {
  type Dialect,
  type DialectReader,
  NO_RESULT,
  outputOf,
  UNKNOWN_USAGE,
  type Verdict,
} from './dialect.ts';
import { fields, parseObjectLine, rawSystem, textOrNull, unknownMessage, withMore } from './json-line.ts';
import { contentText, ToolNames, toolCall } from './tool-use.ts';
import { amount, difference, isUnknown, withModels } from './usage-counts.ts';

/** Gemini CLI with `--output-format stream-json`. */
export const gemini: Dialect = {
  name: 'gemini',
  open: () => new GeminiReader(),
  // Each run begins with `init`. Other messages have fields that lines of logs have, too.
  recognises: ({ type, timestamp, session_id: id, model, stats }) =>
    typeof timestamp === 'string' &&
    ((type === 'init' && typeof id === 'string' && typeof model === 'string') ||
      (type === 'result' && isJsonObject(stats))),
  telemetryEnv: (endpoint, headers) => ({
    GEMINI_TELEMETRY_ENABLED: 'true',
    GEMINI_TELEMETRY_TARGET: 'local',
    GEMINI_TELEMETRY_OTLP_PROTOCOL: 'http',
    GEMINI_TELEMETRY_OTLP_ENDPOINT: endpoint,
    // Default is true. The telemetry of the other agents omits prompts too.
    GEMINI_TELEMETRY_LOG_PROMPTS: 'false',
    ...(headers !== undefined && { OTEL_EXPORTER_OTLP_HEADERS: headers }),
  }),
};

/**
 * A longer message becomes several outputs. A UTF-16 unit takes at most three bytes, so each output stays below the
 * 1 MiB at which contents are truncated.
 */
const JOINED_CHARS_MAX = 256 * 1024;

/** The last message is the result. Recording truncates a result at 1 MiB. */
const RESULT_CHARS_MAX = 1024 * 1024;

class GeminiReader implements DialectReader {
  #model: string | null = null;
  /** Deltas of the current message. */
  #pieces: string[] = [];
  #heldChars = 0;
  /** The message so far. */
  #current = '';
  /** The last message that is not blank. */
  #message = '';
  #inMessage = false;
  #result: JsonObject | undefined;
  #isFinal = false;
  readonly #calls = new ToolNames();

  get model(): string | null {
    return this.#model;
  }

  get isFinal(): boolean {
    return this.#isFinal;
  }

  read(line: string, partial: boolean): readonly AgentOutput[] {
    const message = partial ? undefined : parseObjectLine(line);
    if (message !== undefined) this.#isFinal = message.type === 'result';
    if (message?.type === 'message' && message.delta === true && isAnswer(message))
      return this.#join(message.content);
    const joined = this.end();
    return [...joined, message === undefined ? outputOf(line, partial) : this.#one(message, line)];
  }

  end(): readonly AgentOutput[] {
    this.#inMessage = false;
    return this.#flush();
  }

  verdict(): Verdict {
    const line = this.#result;
    if (line === undefined) return NO_RESULT;
    const usage = usageOf(line.stats);
    if (line.status === 'success')
      return { success: true, result: this.#message === '' ? null : this.#message, error: null, usage };
    const error = textOrNull(objectOf(line.error).message) ?? `ended with the status ${statusOf(line)}`;
    return { success: false, result: null, error, usage };
  }

  #one(message: JsonObject, line: string): AgentOutput {
    switch (message.type) {
      case 'init':
        this.#result = undefined;
        if (typeof message.model === 'string') this.#model = message.model;
        return rawSystem(line, fields(message, ['type', 'session_id', 'model'], { type: 'message_type' }));
      case 'message':
        return this.#said(message, line);
      case 'tool_use':
        return this.#toolUse(message, line);
      case 'tool_result':
        return this.#toolResult(message);
      case 'error':
        return errorOf(message, line);
      case 'result':
        return this.#ended(message);
      default:
        return unknownMessage(line, message);
    }
  }

  #join(piece: string): readonly AgentOutput[] {
    if (!this.#inMessage) this.#current = '';
    this.#inMessage = true;
    if (this.#current.length < RESULT_CHARS_MAX) this.#current += piece;
    this.#keep(this.#current);
    const full = this.#heldChars > 0 && this.#heldChars + piece.length > JOINED_CHARS_MAX;
    const flushed = full ? this.#flush() : [];
    this.#pieces.push(piece);
    this.#heldChars += piece.length;
    return flushed;
  }

  #keep(message: string): void {
    if (message.trim() !== '') this.#message = message;
  }

  #flush(): readonly AgentOutput[] {
    const content = this.#pieces.join('');
    this.#pieces = [];
    this.#heldChars = 0;
    return content === '' ? [] : [{ type: 'output', content }];
  }

  #said(message: JsonObject, line: string): AgentOutput {
    if (isAnswer(message)) {
      this.#keep(message.content);
      return { type: 'output', content: message.content };
    }
    // The CLI repeats the prompt.
    if (typeof message.content === 'string')
      return { type: 'system', content: message.content, more: fields(message, ['role']) };
    return unknownMessage(line, message);
  }

  #toolUse(message: JsonObject, line: string): AgentOutput {
    const { tool_name: name, tool_id: id, parameters: input } = message;
    if (typeof name !== 'string') return unknownMessage(line, message);
    this.#calls.called(id, name);
    return toolCall({ name, input, id });
  }

  /** Gemini CLI reports a failed shell command as a success and does not print its exit code. */
  #toolResult(message: JsonObject): AgentOutput {
    const { tool_id: id, status, output } = message;
    const toolName = this.#calls.nameOf(id);
    const said = contentText(output);
    const result: AgentOutput = {
      type: 'tool_result',
      content: said === '' ? (textOrNull(objectOf(message.error).message) ?? '') : said,
      ...(toolName !== undefined && { toolName }),
      ...(typeof id === 'string' && { toolUseId: id }),
      isError: status === 'error' || isJsonObject(message.error),
    };
    return withMore(result, fields(message, ['error']));
  }

  #ended(message: JsonObject): AgentOutput {
    this.#result = message;
    const verdict = this.verdict();
    const more = { is_error: verdict.success !== true, ...fields(message, ['status', 'error', 'stats']) };
    return { type: 'result', content: verdict.result ?? verdict.error ?? '', more };
  }
}

function isAnswer(message: JsonObject): message is JsonObject & { readonly content: string } {
  return typeof message.content === 'string' && message.role === 'assistant';
}

function errorOf(message: JsonObject, line: string): AgentOutput {
  const { message: text, severity } = message;
  if (typeof text !== 'string') return unknownMessage(line, message);
  return {
    type: severity === 'warning' ? 'system' : 'error',
    content: text,
    more: fields(message, ['severity']),
  };
}

function statusOf(line: JsonObject): string {
  return JSON.stringify(textOrNull(line.status));
}

/** Usage of the whole run, also by model. A failed run prints zeros for unknown counts. */
function usageOf(value: JsonValue | undefined): Usage {
  const stats = objectOf(value);
  const total = amountsOf(stats);
  if (isUnknown(total)) return UNKNOWN_USAGE;
  const models = Object.entries(objectOf(stats.models)).map(
    ([name, row]) => [name, amountsOf(objectOf(row))] as const,
  );
  return withModels(total, models);
}

function amountsOf(stats: JsonObject): Amounts {
  const inputTokens = amount(stats.input_tokens);
  return {
    costUsd: null,
    inputTokens,
    // `output_tokens` excludes thoughts, which are billed as output.
    outputTokens: difference(amount(stats.total_tokens), inputTokens),
    cacheReadInputTokens: amount(stats.cached),
    cacheCreationInputTokens: null,
  };
}
