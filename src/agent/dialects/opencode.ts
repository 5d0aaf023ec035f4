import type { AgentOutput } from '../../model/agent-output.ts';
import type { Amounts, Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, objectOf, toJsonValue } from '../../model/json.ts';
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
import { type Amount, addedUp, amount, isUnknown, sum } from './usage-counts.ts';

/** `opencode run --format json`. No `telemetryEnv`: opencode has no telemetry. */
export const opencode: Dialect = {
  name: 'opencode',
  open: () => new OpencodeReader(),
  recognises: ({ sessionID: id, type, part, error }) =>
    typeof id === 'string' && typeof type === 'string' && (isJsonObject(part) || isJsonObject(error)),
};

/** The step called tools, so another step follows. */
const GOES_ON = 'tool-calls';

/** Reasons of an incomplete answer. */
const BAD_ENDS: ReadonlySet<string> = new Set(['error', 'length', 'content-filter']);

type Ending = { readonly success: boolean; readonly error: string | null };

class OpencodeReader implements DialectReader {
  /** opencode does not print its model. */
  readonly model = null;
  #ending: Ending | undefined;
  #steps: Amounts | undefined;
  #messageId: string | undefined;
  /** The last message's text parts. */
  #texts: string[] = [];
  readonly #calls = new ToolNames();
  /** The run's own session; a sub-agent has another one. */
  #session: string | undefined;
  readonly #subAgents = new SubAgents();

  get isFinal(): boolean {
    return this.#ending !== undefined;
  }

  read(line: string, partial: boolean): readonly AgentOutput[] {
    const message = partial ? undefined : parseObjectLine(line);
    if (message === undefined) return [outputOf(line, partial)];
    const part = objectOf(message.part);
    const session = textOrNull(message.sessionID) ?? undefined;
    this.#session ??= session;
    if (session !== undefined && session !== this.#session) return this.#ofSubAgent(message, session, line);
    switch (message.type) {
      case 'step_start':
        // An earlier end of the run does not apply: this step has to end too.
        this.#ending = undefined;
        return [unknownMessage(line, message)];
      case 'text':
        return [this.#text(part) ?? unknownMessage(line, message)];
      case 'reasoning':
        if (typeof part.text !== 'string') break;
        return [{ type: 'thinking', content: part.text }];
      case 'tool_use':
        this.#ending = undefined;
        this.#subAgents.called(part);
        return this.#toolUse(part) ?? [unknownMessage(line, message)];
      case 'step_finish':
        return [this.#stepFinish(part, line)];
      case 'error':
        return [this.#error(message)];
    }
    return [unknownMessage(line, message)];
  }

  end(): readonly AgentOutput[] {
    return [];
  }

  verdict(): Verdict {
    const usage = this.#usage();
    if (this.#ending === undefined) return { ...NO_RESULT, usage };
    const { success, error } = this.#ending;
    return { success, result: success ? this.#result() : null, error, usage };
  }

  spent(): Usage {
    return this.#steps ?? UNKNOWN_USAGE;
  }

  /** The steps of a sub-agent are not printed, so with one the counts would be a part. */
  #usage(): Usage {
    if (this.#subAgents.areUncounted)
      return { ...UNKNOWN_USAGE, unknownReason: 'opencode does not print the usage of its sub-agents' };
    return this.#steps === undefined || isUnknown(this.#steps) ? UNKNOWN_USAGE : this.#steps;
  }

  /** Its end and its texts are not those of the run. */
  #ofSubAgent(message: JsonObject, session: string, line: string): readonly AgentOutput[] {
    const part = objectOf(message.part);
    const more = { session_id: session };
    if (message.type === 'step_finish') {
      this.#count(part);
      this.#subAgents.counted(session);
    }
    if (message.type === 'tool_use') {
      this.#subAgents.called(part);
      const outputs = this.#toolUse(part);
      if (outputs !== undefined) return outputs.map((output) => withMore(output, more));
    }
    if (typeof part.text === 'string' && (message.type === 'text' || message.type === 'reasoning'))
      return [{ type: message.type === 'text' ? 'output' : 'thinking', content: part.text, more }];
    return [withMore(unknownMessage(line, message), more)];
  }

  #result(): string | null {
    return this.#texts.length === 0 ? null : this.#texts.join('\n');
  }

  #text(part: JsonObject): AgentOutput | undefined {
    if (typeof part.text !== 'string') return undefined;
    const id = typeof part.messageID === 'string' ? part.messageID : undefined;
    // A blank text is no answer: an earlier message stays the result.
    if (part.text.trim() !== '') {
      if (id === undefined || id !== this.#messageId) this.#texts = [];
      this.#messageId = id;
      this.#texts.push(part.text);
    }
    return { type: 'output', content: part.text };
  }

  /** Printed when the tool has ended: the line is both call and result. */
  #toolUse(part: JsonObject): readonly AgentOutput[] | undefined {
    const { tool: name, callID: id } = part;
    if (typeof name !== 'string') return undefined;
    const state = objectOf(part.state);
    const seen = this.#calls.nameOf(id) !== undefined;
    const call = seen ? [] : [toolCall({ name, input: state.input, id })];
    if (state.status === 'pending' || state.status === 'running') {
      this.#calls.called(id, name);
      return call;
    }
    this.#calls.answered(id);
    const metadata = objectOf(state.metadata);
    const result: AgentOutput = {
      type: 'tool_result',
      content: contentText(state.output ?? state.error),
      toolName: name,
      ...(typeof id === 'string' && { toolUseId: id }),
      // opencode reports a failed shell command as `completed`.
      isError: state.status === 'error' || (typeof metadata.exit === 'number' && metadata.exit !== 0),
      more: { ...fields(state, ['status', 'title']), ...fields(metadata, ['exit'], { exit: 'exit_code' }) },
    };
    return [...call, result];
  }

  #stepFinish(part: JsonObject, line: string): AgentOutput {
    this.#count(part);
    const more = fields(part, ['reason', 'tokens', 'cost']);
    if (typeof part.reason !== 'string' || part.reason === GOES_ON)
      return rawSystem(line, { message_type: 'step_finish', ...more });
    const success = !BAD_ENDS.has(part.reason);
    const error = success ? null : `stopped with the reason ${JSON.stringify(part.reason)}`;
    this.#ending = { success, error };
    const content = (success ? this.#result() : error) ?? '';
    return { type: 'result', content, more: { message_type: 'step_finish', is_error: !success, ...more } };
  }

  #error(message: JsonObject): AgentOutput {
    const error = objectOf(message.error);
    const data = objectOf(error.data);
    const words =
      textOrNull(data.message) ??
      textOrNull(error.message) ??
      textOrNull(error.name) ??
      JSON.stringify(toJsonValue(message.error));
    this.#ending = { success: false, error: words };
    const more = {
      ...fields(error, ['name'], { name: 'error_name' }),
      ...fields(data, ['statusCode'], STATUS),
    };
    return { type: 'error', content: words, more };
  }

  /** A step's counts cover one request, so steps are added up. */
  #count(part: JsonObject): void {
    const step = amountsOf(part);
    const before = this.#steps;
    this.#steps = before === undefined ? step : addedUp(before, step);
  }
}

/** The tool that starts a sub-agent in a session of its own. */
const SUB_AGENT_TOOL = 'task';

/** Bounds the memory when a program prints a new session on each line. */
const SESSIONS_MAX = 1_000;

/** The sub-agents of a run, and whose steps were among the lines. */
class SubAgents {
  readonly #called = new Set<string>();
  readonly #counted = new Set<string>();
  #isUnnamed = false;

  called({ tool, state }: JsonObject): void {
    if (tool !== SUB_AGENT_TOOL) return;
    const metadata = objectOf(objectOf(state).metadata);
    const session = textOrNull(metadata.sessionId) ?? textOrNull(metadata.sessionID);
    if (session === null || this.#called.size >= SESSIONS_MAX) this.#isUnnamed = true;
    else this.#called.add(session);
  }

  counted(session: string): void {
    if (this.#counted.size < SESSIONS_MAX) this.#counted.add(session);
  }

  get areUncounted(): boolean {
    // Without a name the call may have been refused before it started anything; that cannot be told apart.
    return this.#isUnnamed || [...this.#called].some((session) => !this.#counted.has(session));
  }
}

const STATUS = { statusCode: 'api_error_status' };

function amountsOf(part: JsonObject): Amounts {
  const tokens = objectOf(part.tokens);
  const cache = isJsonObject(tokens.cache) ? tokens.cache : {};
  const cacheReadInputTokens = amount(cache.read);
  const cacheCreationInputTokens = amount(cache.write);
  const inputTokens = sum([amount(tokens.input), cacheReadInputTokens, cacheCreationInputTokens]);
  const cost = amount(part.cost);
  return {
    // opencode prints 0 for a model without a price.
    costUsd: cost === 0 ? null : cost,
    inputTokens,
    outputTokens: outputOfTokens(tokens, inputTokens),
    cacheReadInputTokens,
    cacheCreationInputTokens,
  };
}

/** Depending on the release, output tokens include reasoning or not. The total shows which. */
function outputOfTokens(tokens: JsonObject, inputTokens: Amount): Amount {
  const output = amount(tokens.output);
  const reasoning = amount(tokens.reasoning) ?? 0;
  const within = sum([inputTokens, output]);
  return within !== null && within === amount(tokens.total) ? output : sum([output, reasoning]);
}
