import type { AgentOutput } from '../../model/agent-output.ts';
import type { Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue, objectOf, toJsonValue } from '../../model/json.ts';
import { ClaudeCounts, claudeVerdict, MessageCounts, type ResultCounts } from './claude-result.ts';
import { type Dialect, type DialectReader, outputOf, type Verdict } from './dialect.ts';
import { fields, isList, parseObjectLine, rawSystem, unknownMessage, withMore } from './json-line.ts';
import { contentText, ToolNames, toolCall } from './tool-use.ts';

/** Claude Code with `--output-format stream-json --verbose`. */
export const claude: Dialect = {
  name: 'claude',
  open: () => new ClaudeReader(new ClaudeCounts()),
  recognises: isClaudeMessage,
  telemetryEnv: (endpoint, headers) => ({
    CLAUDE_CODE_ENABLE_TELEMETRY: '1',
    // Spans are beta and need this variable.
    CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: '1',
    OTEL_LOGS_EXPORTER: 'otlp',
    OTEL_TRACES_EXPORTER: 'otlp',
    // The receiver does not store metrics; the logs hold the same figures.
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    ...(headers !== undefined && { OTEL_EXPORTER_OTLP_HEADERS: headers }),
  }),
};

/** Model name of messages that the CLI itself generates, mostly API errors. */
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
  'structured_output',
  'permission_denials',
  'errors',
];

/** The tool by which an answer with a schema is given. */
const STRUCTURED_TOOL = 'StructuredOutput';

/** Also the other agents of this format, of which each has signs of its own that are looked for first. */
function isClaudeMessage(message: JsonObject): boolean {
  const { type, subtype, message: inner } = message;
  if (type === 'system') {
    const isNamed = typeof subtype === 'string' && typeof message.session_id === 'string';
    return isNamed && (subtype === 'init' || typeof message.uuid === 'string');
  }
  if (type === 'assistant')
    return isJsonObject(inner) && isList(inner.content) && typeof (inner.id ?? message.uuid) === 'string';
  if (type === 'stream_event') return isJsonObject(message.event);
  return type === 'result' && typeof subtype === 'string' && typeof message.is_error === 'boolean';
}

/** Reads the format of Claude Code, which other agents print too. */
export class ClaudeReader implements DialectReader {
  #model: string | null = null;
  #last: JsonObject | undefined;
  readonly #counts: ResultCounts;
  readonly #toolNames = new ToolNames();
  readonly #tasks = new BackgroundTasks();
  readonly #messages = new MessageCounts();
  /** The last text of the main thread, and the input of its last call for a structured answer. */
  #text: string | null = null;
  #structured: JsonValue | undefined;
  #inTurn = false;
  #hasSubAgents = false;

  constructor(counts: ResultCounts) {
    this.#counts = counts;
  }

  get isFinal(): boolean {
    return this.#last !== undefined && !this.#inTurn && !this.#tasks.areOpen;
  }

  get model(): string | null {
    return this.#model;
  }

  read(line: string, partial: boolean): readonly AgentOutput[] {
    const message = partial ? undefined : parseObjectLine(line);
    if (message === undefined) return [outputOf(line, partial)];
    if (message.type === 'assistant' || message.type === 'user' || message.type === 'stream_event')
      this.#inTurn = true;
    if (typeof message.parent_tool_use_id === 'string') this.#hasSubAgents = true;
    switch (message.type) {
      case 'system':
        return [this.#system(message, line)];
      case 'assistant':
        return this.#assistant(message, line);
      case 'user':
        return this.#user(message, line);
      case 'result':
        return [this.#result(message)];
      case 'stream_event':
        // Deltas of a message that follows as `assistant`.
        return [];
      default:
        return [unknownMessage(line, message)];
    }
  }

  end(): readonly AgentOutput[] {
    return [];
  }

  spent(): Usage {
    return this.#messages.atLeast(this.#counts.total());
  }

  verdict(): Verdict {
    return claudeVerdict(
      this.#last,
      { text: this.#text, structured: this.#structured },
      this.#counts.total(),
    );
  }

  #system(message: JsonObject, line: string): AgentOutput {
    if (message.subtype === 'init') this.#begin(message);
    this.#tasks.read(message);
    if (message.subtype === 'session_start' && typeof message.model === 'string') this.#model = message.model;
    if (message.subtype === 'thinking_tokens') {
      // Printed several times a second. The count is the only information.
      const more = fields(message, ['subtype', 'estimated_tokens']);
      return {
        type: 'system',
        content: `thinking_tokens ${String(message.estimated_tokens ?? '')}`.trim(),
        more,
      };
    }
    return rawSystem(line, fields(message, SYSTEM_FIELDS));
  }

  /** Printed again when the report of a sub-agent in the background starts another turn. */
  #begin({ model }: JsonObject): void {
    this.#inTurn = true;
    this.#structured = undefined;
    if (typeof model === 'string') this.#model = model;
  }

  /** Remembers what can stand for an empty result. */
  #note(block: JsonObject): void {
    if (typeof block.text === 'string' && block.text.trim() !== '') this.#text = block.text.trim();
    if (block.type === 'tool_use' && block.name === STRUCTURED_TOOL) this.#structured = block.input;
  }

  #assistant(line: JsonObject, raw: string): readonly AgentOutput[] {
    const blocks = blocksOf(line);
    if (blocks === undefined) return [unknownMessage(raw, line)];
    const model = isJsonObject(line.message) ? line.message.model : undefined;
    this.#messages.add(objectOf(line.message), this.#counts.isCachedExtra);
    const inSubAgent = typeof line.parent_tool_use_id === 'string';
    if (this.#model === null && !inSubAgent && typeof model === 'string' && model !== SYNTHETIC_MODEL)
      this.#model = model;
    const failed = model === SYNTHETIC_MODEL || line.is_api_error_message === true;
    if (!failed && !inSubAgent) for (const block of blocks) this.#note(block);
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
    if (blocks === undefined) return [unknownMessage(raw, line)];
    const more = fields(line, [...MESSAGE_FIELDS, 'isSynthetic'], { isSynthetic: 'is_synthetic' });
    // The CLI truncates a long result and names the file with the full text.
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

  /** Includes the blocks of tools that run at the API: `server_tool_use`, `web_search_tool_result`. */
  #toolBlock(block: JsonObject): AgentOutput | undefined {
    const type = typeof block.type === 'string' ? block.type : '';
    if (type.endsWith('tool_use') && typeof block.name === 'string') {
      this.#toolNames.called(block.id, block.name);
      return toolCall({ name: block.name, input: block.input, id: block.id });
    }
    if (!type.endsWith('tool_result')) return undefined;
    const result = {
      type: 'tool_result',
      content: contentText(block.content),
      isError: block.is_error === true,
    } as const;
    if (typeof block.tool_use_id !== 'string') return result;
    const toolName = this.#toolNames.nameOf(block.tool_use_id);
    const known = toolName === undefined ? {} : { toolName };
    return { ...result, ...known, toolUseId: block.tool_use_id };
  }

  #result(line: JsonObject): AgentOutput {
    this.#last = line;
    this.#inTurn = false;
    this.#counts.add(line, this.#hasSubAgents);
    const verdict = this.verdict();
    const more = {
      ...fields(line, RESULT_FIELDS),
      ...fields(line, [isJsonObject(line.modelUsage) ? 'modelUsage' : 'usage'], {
        modelUsage: 'model_usage',
      }),
    };
    return { type: 'result', content: verdict.result ?? verdict.error ?? '', more };
  }
}

/** Bounds the memory when a program prints a new task on each line. */
const TASKS_MAX = 1_000;

/**
 * What runs on after a `result` and reports in another turn: sub-agents and workflows. A shell command in the background
 * is left out, because a server that it started would run for ever.
 */
class BackgroundTasks {
  readonly #open = new Set<string>();

  get areOpen(): boolean {
    return this.#open.size > 0;
  }

  read(message: JsonObject): void {
    const { subtype, task_id: id } = message;
    if (subtype === 'background_tasks_changed' && isList(message.tasks)) {
      this.#open.clear();
      for (const task of message.tasks) this.#started(objectOf(task));
    } else if (subtype === 'task_started') this.#started(message);
    else if (typeof id !== 'string') return;
    else if (subtype === 'task_notification') this.#open.delete(id);
    else if (subtype === 'task_updated' && hasEnded(objectOf(message.patch))) this.#open.delete(id);
  }

  #started({ task_id: id, task_type: type }: JsonObject): void {
    if (typeof id !== 'string' || this.#open.size >= TASKS_MAX) return;
    if (typeof type === 'string' && /bash|shell|monitor/i.test(type)) return;
    this.#open.add(id);
  }
}

function hasEnded({ status }: JsonObject): boolean {
  return typeof status === 'string' && !['pending', 'running', 'queued', 'in_progress'].includes(status);
}

function blocksOf(line: JsonObject): readonly JsonObject[] | undefined {
  if (!isJsonObject(line.message)) return undefined;
  const { content } = line.message;
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!isList(content)) return undefined;
  return content.map((block) => (isJsonObject(block) ? block : { type: 'unknown', value: block }));
}

/** Images, documents and redacted thinking are kept as JSON. */
function otherBlock(block: JsonObject): AgentOutput {
  const more = fields(block, ['type'], { type: 'block_type' });
  return { type: 'system', content: JSON.stringify(toJsonValue(block)), more };
}
