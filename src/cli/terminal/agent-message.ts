import { isJsonObject, type JsonObject, type JsonValue, parseObject } from '../../model/json.ts';
import { firstOfText } from '../../model/text.ts';

/** Longer values are ids in a row, prompts and the like. `--json` has the whole message. */
const VALUE_CHARS_MAX = 60;
const FIELDS_MAX = 12;

/** Named by the head of the line, or of no use to a person. */
const LEFT_OUT = new Set(['type', 'subtype', 'uuid', 'parent_tool_use_id', 'timestamp']);

/**
 * A message of an agent that a dialect has kept as JSON, in words: `init cwd=/work model=m-1 tools: 18`. Undefined for every
 * other line, whose content is for people as it is.
 */
export function agentMessageText(line: JsonObject): string | undefined {
  const { type, subtype, message_type: messageType, block_type: blockType, content } = line;
  const name = [subtype, messageType, blockType].find((one) => typeof one === 'string');
  if (type !== 'system' || typeof name !== 'string' || typeof content !== 'string') return undefined;
  const message = parseObject(content);
  if (message === undefined) return undefined;
  const fields = Object.entries(message).filter(([key]) => !LEFT_OUT.has(key));
  const parts = fields.flatMap(([key, value]) => fieldText(key, value) ?? []);
  return [name, ...parts.slice(0, FIELDS_MAX)].join(' ');
}

/** Lists are counted; objects and empty values are left out. */
function fieldText(key: string, value: JsonValue | undefined): string | undefined {
  if (Array.isArray(value)) return `${key}: ${value.length}`;
  if (value === undefined || value === null || value === '' || isJsonObject(value)) return undefined;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const short = text.length > VALUE_CHARS_MAX ? `${firstOfText(text, VALUE_CHARS_MAX)}...` : text;
  return `${key}=${/\s/.test(short) ? JSON.stringify(short) : short}`;
}
