import type { AgentOutput } from '../../model/agent-output.ts';
import { isJsonObject, type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';

/**
 * The object on a line of JSON; undefined for everything else. What terminals are sent around a line (a byte order
 * mark, colours, a cursor that is shown again) does not make an agent's message unreadable.
 */
export function parseObjectLine(line: string): JsonObject | undefined {
  return parseObject(line) ?? parseUndecorated(line);
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    // A SyntaxError: something else than a message was written to the standard output.
    return undefined;
  }
}

/** More than any agent prints around a line; a longer text before a brace is text. */
const DECORATION_CHARS_MAX = 200;

/** A byte order mark, blanks, and the escape sequences of ECMA-48: ESC [ ... letter, and ESC ] ... BEL. */
const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);
const DECORATION = new RegExp(
  `^(?:\\uFEFF|\\s|${ESC}\\[[0-?]*[ -/]*[@-~]|${ESC}\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\))+$`,
);

function parseUndecorated(line: string): JsonObject | undefined {
  const start = line.indexOf('{');
  const end = line.lastIndexOf('}') + 1;
  if (start < 0 || end <= start) return undefined;
  const isBare = start === 0 && line.slice(end).trim() === '';
  if (isBare || !isDecoration(line, 0, start) || !isDecoration(line, end, line.length)) return undefined;
  return parseObject(line.slice(start, end));
}

function isDecoration(line: string, start: number, end: number): boolean {
  if (end - start > DECORATION_CHARS_MAX) return false;
  return start === end || DECORATION.test(line.slice(start, end));
}

/** The named fields that are there and not null, under the names that `renamed` gives them. */
export function fields(
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

/** A message that has no type of its own among ours, kept as it is. */
export function rawSystem(line: string, more: Readonly<Record<string, JsonValue>>): AgentOutput {
  return { type: 'system', content: line.trimEnd(), more };
}

/** The same, for a message that this reader knows nothing about: its own type stands beside it. */
export function unknownMessage(line: string, message: JsonObject): AgentOutput {
  return rawSystem(line, fields(message, ['type'], { type: 'message_type' }));
}

export function withMore(output: AgentOutput, more: Readonly<Record<string, JsonValue>>): AgentOutput {
  const all = { ...output.more, ...more };
  return Object.keys(all).length === 0 ? output : { ...output, more: all };
}

export function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function textOrNull(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
