import type { AgentOutput } from '../../model/agent-output.ts';
import { type JsonObject, type JsonValue, parseObject, toJsonValue } from '../../model/json.ts';

/**
 * The JSON object on a line; undefined for everything else. Terminal escape sequences around the object (colours, cursor
 * control) and a byte order mark are skipped.
 */
export function parseObjectLine(line: string): JsonObject | undefined {
  return parseObject(line) ?? parseUndecorated(line);
}

/** More than an agent prints around a message. Longer text before a brace is plain output. */
const DECORATION_CHARS_MAX = 200;

/** A byte order mark, blanks, and the escape sequences of ECMA-48: ESC [ ... letter, ESC ] ... BEL. */
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

/** The named fields that are present and not null, under their names in `renamed`. */
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

/** Keeps a message without an output type of its own as a `system` output. */
export function rawSystem(line: string, more: Readonly<Record<string, JsonValue>>): AgentOutput {
  return { type: 'system', content: line.trimEnd(), more };
}

/** Like `rawSystem`, for an unknown message: `message_type` holds its type. */
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
