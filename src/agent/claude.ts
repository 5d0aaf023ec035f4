import type { AgentOutput } from '../model/agent.ts';
import { isJsonObject, type JsonObject, type JsonValue, toJsonValue } from '../model/json.ts';
import { claudeVerdict } from './claude-result.ts';
import { type Dialect, type DialectReader, outputOf, type Verdict } from './dialect.ts';

/** Claude Code with `--output-format stream-json --verbose`. */
export const claude: Dialect = { name: 'claude', open: () => new ClaudeReader() };

/** The model name of messages that the CLI writes in the model's place, mostly API errors. */
const SYNTHETIC_MODEL = '<synthetic>';

const SYSTEM_FIELDS = ['subtype', 'session_id', 'model', 'agent_id'];
const MESSAGE_FIELDS = ['parent_tool_use_id', 'agent_id', 'subagent_type', 'aborted'];
const ERROR_FIELDS = ['error', 'api_error', 'api_error_status', 'api_error_type'];
const RESULT_FIELDS = [
  'subtype',
  'is_error',
  'num_turns',
  'duration_ms',
  'duration_api_ms',
  'stop_reason',
  'terminal_reason',
  'api_error_status',
  'total_cost_usd',
  'result_index',
  'session_id',
];

class ClaudeReader implements DialectReader {
  #model: string | null = null;
  #result: JsonObject | undefined;
  readonly #toolNames = new Map<string, string>();

  get model(): string | null {
    return this.#model;
  }

  read(line: string, partial: boolean): readonly AgentOutput[] {
    const message = partial ? undefined : parseObject(line);
    if (message === undefined) return [outputOf(line, partial)];
    switch (message.type) {
      case 'system':
        return [this.#system(message, line)];
      case 'assistant':
        return this.#assistant(message, line);
      case 'user':
        return this.#user(message, line);
      case 'result':
        return [this.#end(message)];
      case 'stream_event':
        // Pieces of a message that comes again, whole, as `assistant`.
        return [];
      default:
        return [rawSystem(line, fields(message, ['type'], { type: 'message_type' }))];
    }
  }

  verdict(): Verdict {
    return claudeVerdict(this.#result);
  }

  #system(message: JsonObject, line: string): AgentOutput {
    if (message.subtype === 'init' && typeof message.model === 'string') this.#model = message.model;
    if (message.subtype === 'thinking_tokens') {
      // Several a second while the model thinks: the count is all that they say.
      const more = fields(message, ['subtype', 'estimated_tokens']);
      return {
        type: 'system',
        content: `thinking_tokens ${String(message.estimated_tokens ?? '')}`.trim(),
        more,
      };
    }
    return rawSystem(line, fields(message, SYSTEM_FIELDS));
  }

  #assistant(line: JsonObject, raw: string): readonly AgentOutput[] {
    const blocks = blocksOf(line);
    if (blocks === undefined) return [rawSystem(raw, fields(line, ['type'], { type: 'message_type' }))];
    const model = isJsonObject(line.message) ? line.message.model : undefined;
    const inSubAgent = typeof line.parent_tool_use_id === 'string';
    if (this.#model === null && !inSubAgent && typeof model === 'string' && model !== SYNTHETIC_MODEL)
      this.#model = model;
    const failed = model === SYNTHETIC_MODEL || line.is_api_error_message === true;
    const more = fields(line, failed ? [...MESSAGE_FIELDS, ...ERROR_FIELDS] : MESSAGE_FIELDS);
    return blocks.map((block) => withMore(this.#assistantBlock(block, failed), more));
  }

  #assistantBlock(block: JsonObject, failed: boolean): AgentOutput {
    if (typeof block.text === 'string') return { type: failed ? 'error' : 'output', content: block.text };
    if (typeof block.thinking === 'string') return { type: 'thinking', content: block.thinking };
    return this.#toolBlock(block) ?? otherBlock(block);
  }

  #user(line: JsonObject, raw: string): readonly AgentOutput[] {
    const blocks = blocksOf(line);
    if (blocks === undefined) return [rawSystem(raw, fields(line, ['type'], { type: 'message_type' }))];
    const more = fields(line, [...MESSAGE_FIELDS, 'isSynthetic'], { isSynthetic: 'is_synthetic' });
    // The CLI cuts long results itself, and says where the whole one is.
    const details = isJsonObject(line.tool_use_result)
      ? fields(line.tool_use_result, ['persistedOutputPath'], {
          persistedOutputPath: 'persisted_output_path',
        })
      : {};
    return blocks.map((block) => {
      if (typeof block.text === 'string')
        return { type: 'system', content: block.text, more: { ...more, role: 'user' } };
      const output = this.#toolBlock(block) ?? otherBlock(block);
      return withMore(output, output.type === 'tool_result' ? { ...more, ...details } : more);
    });
  }

  /** Also the blocks of tools that run at the API: `server_tool_use`, `web_search_tool_result`. */
  #toolBlock(block: JsonObject): AgentOutput | undefined {
    const type = typeof block.type === 'string' ? block.type : '';
    if (type.endsWith('tool_use') && typeof block.name === 'string') {
      const toolInput = toJsonValue(block.input);
      const call = { type: 'tool_call', content: `${block.name} ${JSON.stringify(toolInput)}` } as const;
      if (typeof block.id !== 'string') return { ...call, toolName: block.name, toolInput };
      this.#toolNames.set(block.id, block.name);
      return { ...call, toolName: block.name, toolInput, toolUseId: block.id };
    }
    if (!type.endsWith('tool_result')) return undefined;
    const result = {
      type: 'tool_result',
      content: resultText(block.content),
      isError: block.is_error === true,
    } as const;
    if (typeof block.tool_use_id !== 'string') return result;
    const toolName = this.#toolNames.get(block.tool_use_id);
    const known = toolName === undefined ? {} : { toolName };
    return { ...result, ...known, toolUseId: block.tool_use_id };
  }

  #end(line: JsonObject): AgentOutput {
    // Each later result counts the whole run up to itself, so the last one replaces all before it.
    this.#result = line;
    const verdict = claudeVerdict(line);
    const more = {
      ...fields(line, RESULT_FIELDS),
      ...fields(line, ['modelUsage'], { modelUsage: 'model_usage' }),
    };
    return { type: 'result', content: verdict.result ?? verdict.error ?? '', more };
  }
}

function parseObject(line: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? value : undefined;
  } catch {
    // A SyntaxError: something else than Claude Code wrote to its standard output.
    return undefined;
  }
}

function blocksOf(line: JsonObject): readonly JsonObject[] | undefined {
  if (!isJsonObject(line.message)) return undefined;
  const { content } = line.message;
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!isList(content)) return undefined;
  return content.map((block) => (isJsonObject(block) ? block : { type: 'unknown', value: block }));
}

function resultText(content: JsonValue | undefined): string {
  if (content === undefined || content === null) return '';
  if (typeof content === 'string') return content;
  if (!isList(content)) return JSON.stringify(toJsonValue(content));
  return content.map(blockText).join('\n');
}

function blockText(block: JsonValue): string {
  if (typeof block === 'string') return block;
  if (isJsonObject(block) && block.type === 'text' && typeof block.text === 'string') return block.text;
  return JSON.stringify(toJsonValue(block));
}

/** Images, documents, redacted thinking: kept as they are, named by their type. */
function otherBlock(block: JsonObject): AgentOutput {
  const more = fields(block, ['type'], { type: 'block_type' });
  return { type: 'system', content: JSON.stringify(toJsonValue(block)), more };
}

function rawSystem(line: string, more: Readonly<Record<string, JsonValue>>): AgentOutput {
  return { type: 'system', content: line.trimEnd(), more };
}

function withMore(output: AgentOutput, more: Readonly<Record<string, JsonValue>>): AgentOutput {
  const all = { ...output.more, ...more };
  return Object.keys(all).length === 0 ? output : { ...output, more: all };
}

/** The named fields that are there and not null, under the names that `renamed` gives them. */
function fields(
  from: JsonObject,
  names: readonly string[],
  renamed: Readonly<Record<string, string>> = {},
): Record<string, JsonValue> {
  const found: Record<string, JsonValue> = {};
  for (const name of names) {
    const value = from[name];
    if (value !== undefined && value !== null) found[renamed[name] ?? name] = toJsonValue(value);
  }
  return found;
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}
