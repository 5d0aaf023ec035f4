import type { AgentOutput } from '../../model/agent-output.ts';
import type { Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue, objectOf, toJsonValue } from '../../model/json.ts';
import {
  type Dialect,
  type DialectReader,
  NO_RESULT,
  outputOf,
  UNKNOWN_USAGE,
  type Verdict,
} from './dialect.ts';
import { fields, isList, parseObjectLine, rawSystem, textOrNull, unknownMessage } from './json-line.ts';
import { contentText, ToolNames, toolCall } from './tool-use.ts';
import { amount, isUnknown, SessionUsage, sum } from './usage-counts.ts';

/**
 * Cursor's `cursor-agent -p --output-format stream-json`. No `telemetryEnv`: it has no telemetry of its own. A failed run
 * prints its reason on standard error and no `result`.
 */
export const cursor: Dialect = {
  name: 'cursor',
  open: () => new CursorReader(),
  recognises: isCursorMessage,
};

/** `init` has the fields of Claude Code's without the tools. */
function isCursorMessage({ type, subtype, ...message }: JsonObject): boolean {
  if (type === 'system')
    return subtype === 'init' && typeof message.permissionMode === 'string' && !isList(message.tools);
  if (type === 'thinking')
    return typeof message.session_id === 'string' && (subtype === 'delta' || subtype === 'completed');
  if (type === 'result') return typeof message.request_id === 'string' && message.num_turns === undefined;
  return type === 'tool_call' && isJsonObject(message.tool_call);
}

const RESULT_FIELDS = [
  'subtype',
  'is_error',
  'duration_ms',
  'duration_api_ms',
  'session_id',
  'request_id',
  'usage',
];

/** A longer thought becomes several outputs, each below the 1 MiB at which contents are truncated. */
const THOUGHT_CHARS_MAX = 256 * 1024;

class CursorReader implements DialectReader {
  #model: string | null = null;
  #last: JsonObject | undefined;
  #isFinal = false;
  #text: string | null = null;
  /** Pieces of the current thought. */
  #thought = '';
  readonly #usage = new SessionUsage();
  readonly #calls = new ToolNames();

  get model(): string | null {
    return this.#model;
  }

  get isFinal(): boolean {
    return this.#isFinal;
  }

  read(line: string, partial: boolean): readonly AgentOutput[] {
    const message = partial ? undefined : parseObjectLine(line);
    if (message?.type === 'thinking' && message.subtype === 'delta' && typeof message.text === 'string')
      return this.#think(message.text);
    const thought = this.end();
    if (message === undefined) return [...thought, outputOf(line, partial)];
    this.#isFinal = message.type === 'result' || (this.#isFinal && message.type === 'system');
    return [...thought, ...this.#one(message, line)];
  }

  end(): readonly AgentOutput[] {
    const content = this.#thought;
    this.#thought = '';
    return content === '' ? [] : [{ type: 'thinking', content }];
  }

  verdict(): Verdict {
    const line = this.#last;
    if (line === undefined) return NO_RESULT;
    const usage = this.#usage.total() ?? UNKNOWN_USAGE;
    const said = textOrNull(line.result);
    if (line.is_error !== true && line.subtype === 'success')
      return { success: true, result: said?.trim() ? said : (this.#text ?? said), error: null, usage };
    const { subtype, error } = line;
    const words = textOrNull(error) ?? textOrNull(objectOf(error).message) ?? said;
    return { success: false, result: null, error: words || textOrNull(subtype), usage };
  }

  #think(piece: string): readonly AgentOutput[] {
    const before = this.#thought.length + piece.length > THOUGHT_CHARS_MAX ? this.end() : [];
    this.#thought += piece;
    return before;
  }

  #one(message: JsonObject, line: string): readonly AgentOutput[] {
    switch (message.type) {
      case 'system':
        if (message.subtype === 'init' && typeof message.model === 'string') this.#model = message.model;
        return [rawSystem(line, fields(message, ['subtype', 'session_id', 'model']))];
      case 'user':
      case 'assistant':
        return this.#said(message) ?? [unknownMessage(line, message)];
      case 'tool_call':
        return this.#tool(message) ?? [unknownMessage(line, message)];
      case 'thinking':
        // The end of a thought whose pieces came before.
        return message.subtype === 'completed' ? [] : [unknownMessage(line, message)];
      case 'result':
        return [this.#result(message)];
      default:
        return [unknownMessage(line, message)];
    }
  }

  #said(message: JsonObject): readonly AgentOutput[] | undefined {
    const { content } = objectOf(message.message);
    const text = typeof content === 'string' || isList(content) ? contentText(content) : undefined;
    if (text === undefined) return undefined;
    // The CLI repeats the prompt.
    if (message.type === 'user') return [{ type: 'system', content: text, more: { role: 'user' } }];
    if (text.trim() !== '') this.#text = text.trim();
    return [{ type: 'output', content: text, more: fields(message, ['session_id', 'model_call_id']) }];
  }

  #tool(message: JsonObject): readonly AgentOutput[] | undefined {
    const { subtype, call_id: id } = message;
    const [tool] = Object.entries(objectOf(message.tool_call)).filter(([, value]) => isJsonObject(value));
    if (tool === undefined) return undefined;
    const { name, input, result } = toolOf(tool[0], objectOf(tool[1]));
    if (subtype === 'started') {
      this.#calls.called(id, name);
      return [toolCall({ name, input, id })];
    }
    if (subtype !== 'completed') return undefined;
    const call = this.#calls.answered(id) ? [] : [toolCall({ name, input, id })];
    const [outcome, value] = Object.entries(objectOf(result))[0] ?? ['unknown', result];
    const answer: AgentOutput = {
      type: 'tool_result',
      content: answerText(value),
      toolName: name,
      ...(typeof id === 'string' && { toolUseId: id }),
      isError: BAD_OUTCOMES.has(outcome) || hasFailed(objectOf(value)),
      more: { outcome, ...fields(objectOf(value), ['exitCode'], { exitCode: 'exit_code' }) },
    };
    return [...call, answer];
  }

  #result(message: JsonObject): AgentOutput {
    this.#last = message;
    // Of one request: a script that continues the session gets a result for each.
    this.#usage.report(textOrNull(message.request_id) ?? '', usageOf(message));
    const verdict = this.verdict();
    return {
      type: 'result',
      content: verdict.result ?? verdict.error ?? '',
      more: fields(message, RESULT_FIELDS),
    };
  }
}

const BAD_OUTCOMES: ReadonlySet<string> = new Set([
  'failure',
  'error',
  'rejected',
  'permissionDenied',
  'timeout',
]);

function hasFailed({ exitCode }: JsonObject): boolean {
  return typeof exitCode === 'number' && exitCode !== 0;
}

interface CursorTool {
  readonly name: string;
  readonly input: JsonValue | undefined;
  readonly result: JsonValue | undefined;
}

/** `{"readToolCall": {args, result}}`, or `{"function": {name, arguments: "<JSON>"}}` for other tools. */
function toolOf(key: string, { args, result, name, arguments: text }: JsonObject): CursorTool {
  if (key === 'function' && typeof name === 'string') return { name, input: text, result };
  return { name: key.replace(/ToolCall$/, ''), input: args, result };
}

function answerText(value: JsonValue | undefined): string {
  if (!isJsonObject(value)) return contentText(value);
  const { content, stdout, stderr, error, reason } = value;
  const printed = [stdout, stderr].filter((text) => typeof text === 'string' && text !== '');
  if (printed.length > 0) return printed.join('\n');
  for (const text of [content, error, reason]) if (typeof text === 'string') return text;
  return isList(content) ? contentText(content) : JSON.stringify(toJsonValue(value));
}

/** `inputTokens` excludes what was read from and written to the cache. */
function usageOf(line: JsonObject): Usage {
  const said = objectOf(line.usage);
  const cacheReadInputTokens = amount(said.cacheReadTokens);
  const cacheCreationInputTokens = amount(said.cacheWriteTokens);
  const usage = {
    costUsd: null,
    inputTokens: sum([amount(said.inputTokens), cacheReadInputTokens ?? 0, cacheCreationInputTokens ?? 0]),
    outputTokens: amount(said.outputTokens),
    cacheReadInputTokens,
    cacheCreationInputTokens,
  };
  return isUnknown(usage) ? UNKNOWN_USAGE : usage;
}
