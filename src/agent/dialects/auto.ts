import type { AgentOutput } from '../../model/agent-output.ts';
import type { Usage } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue, objectOf } from '../../model/json.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { cursor } from './cursor.ts';
import { type Dialect, type DialectReader, outputOf, UNKNOWN_USAGE, type Verdict } from './dialect.ts';
import { gemini } from './gemini.ts';
import { isList, parseObjectLine } from './json-line.ts';
import { opencode } from './opencode.ts';
import { qwen } from './qwen.ts';
import { text } from './text.ts';

/** The order decides for a message of a shared format: others have taken over Claude Code's. */
const KNOWN: readonly Dialect[] = [codex, gemini, opencode, cursor, qwen, claude];

/** Every message has one of these fields. A failed parse of each line of source code would cost more than the rest of the run. */
const MESSAGE_SIGN = /"(?:type|event)"/;

/**
 * A wrapper script may print an installation before it starts the agent. Later lines are the program's own data: one that
 * prints a recording in the middle of its report is no agent.
 */
const LINES_MAX = 1_000;

/**
 * The first message that a known agent prints decides the dialect. Without one the output is text. The decision depends on
 * the lines alone, so every process that reads them again makes the same one.
 */
export const auto: Dialect = {
  name: 'auto',
  open: () => new AutoReader(),
  // Of all agents: which one a script starts is not known before it prints.
  telemetryEnv: (endpoint, headers) =>
    Object.assign({}, ...KNOWN.map(({ telemetryEnv }) => telemetryEnv?.(endpoint, headers))),
};

/** The dialect that prints this message; undefined when no known agent does. */
export function dialectOf(message: JsonObject): Dialect | undefined {
  return KNOWN.find(({ recognises }) => recognises?.(message) === true);
}

class AutoReader implements DialectReader {
  #known: DialectReader | undefined;
  #lines = 0;
  readonly #unknown = new UnknownOutput();

  get model(): string | null {
    return this.#known?.model ?? null;
  }

  get isFinal(): boolean {
    return this.#known?.isFinal ?? false;
  }

  read(line: string, partial: boolean): readonly AgentOutput[] {
    if (this.#known !== undefined) return this.#known.read(line, partial);
    this.#lines += 1;
    const message = partial || !MESSAGE_SIGN.test(line) ? undefined : parseObjectLine(line);
    const dialect = message === undefined || this.#lines > LINES_MAX ? undefined : dialectOf(message);
    if (dialect === undefined) {
      this.#unknown.read(line, message);
      return [outputOf(line, partial)];
    }
    this.#known = dialect.open();
    return this.#known.read(line, partial);
  }

  end(): readonly AgentOutput[] {
    return this.#known?.end() ?? [];
  }

  spent(): Usage {
    const known = this.#known;
    if (known?.spent !== undefined) return known.spent();
    return known?.isFinal === true ? known.verdict().usage : UNKNOWN_USAGE;
  }

  verdict(): Verdict {
    if (this.#known !== undefined) return this.#known.verdict();
    return { success: undefined, result: this.#unknown.result(), error: null, usage: UNKNOWN_USAGE };
  }
}

/** Output of a program that no dialect knows. With messages in it, its result is the last text; else its whole output. */
class UnknownOutput {
  /** The plain lines since the last message. */
  #plain = text.open();
  #isPlainClosed = false;
  /** Text of the last message that has one. */
  #said: string | undefined;
  #lastMessage: string | undefined;

  read(line: string, message: JsonObject | undefined): void {
    if (message !== undefined && isMessage(message)) {
      this.#isPlainClosed = true;
      this.#lastMessage = line.trim();
      const words = textOf(message);
      if (words === undefined) return;
      this.#said = words;
      this.#plain = text.open();
      return;
    }
    if (this.#isPlainClosed && line.trim() === '') return;
    if (this.#isPlainClosed) this.#plain = text.open();
    this.#isPlainClosed = false;
    this.#plain.read(line, false);
  }

  /** The last message itself where nothing has a text. */
  result(): string | null {
    return this.#plain.verdict().result ?? this.#said ?? this.#lastMessage ?? null;
  }
}

/** Other objects are data that the program prints as its result. */
function isMessage({ type, event }: JsonObject): boolean {
  return typeof type === 'string' || typeof event === 'string';
}

/** Where agents put their texts, the most specific first. */
const TEXT_FIELDS = [
  'result',
  'text',
  'content',
  'response',
  'output',
  'message',
  'item',
  'part',
  'delta',
  'data',
];
const DEPTH_MAX = 4;

/** What the agent says in a message; undefined for tools and for a repeated prompt. */
function textOf(message: JsonObject): string | undefined {
  const { type, role } = message;
  if (typeof type === 'string' && /tool|user|system|reason|think/i.test(type)) return undefined;
  if (role !== undefined && role !== 'assistant' && role !== 'model') return undefined;
  return textIn(message, 0);
}

function textIn(value: JsonValue | undefined, depth: number): string | undefined {
  if (typeof value === 'string') return value.trim() === '' ? undefined : value.trim();
  if (depth > DEPTH_MAX || value === undefined || value === null) return undefined;
  if (isList(value)) return textIn(value.filter(isTextBlock).at(-1), depth + 1);
  if (!isJsonObject(value)) return undefined;
  if (depth > 0 && !isTextBlock(value)) return undefined;
  for (const field of TEXT_FIELDS) {
    const found = textIn(value[field], depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isTextBlock(value: JsonValue): boolean {
  const { type, role } = objectOf(value);
  if (role !== undefined && role !== 'assistant' && role !== 'model') return false;
  return typeof value === 'string' || typeof type !== 'string' || !/tool|user|reason|think/i.test(type);
}
