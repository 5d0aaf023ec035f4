import { isJsonObject, type JsonObject, type JsonValue, objectOf } from '../../model/json.ts';
import { fields, textOrNull } from './json-line.ts';
import { contentText } from './tool-use.ts';

/** A tool call of Codex with its result. */
export interface CodexTool {
  readonly name: string;
  readonly input: JsonObject;
  readonly output: string;
  readonly failed: boolean;
}

type Reading = Omit<CodexTool, 'failed'>;

/** Item type -> name, input and output of the tool. */
const TOOLS: ReadonlyMap<JsonValue | undefined, (item: JsonObject) => Reading> = new Map([
  [
    'command_execution',
    (item: JsonObject): Reading => ({
      name: 'command_execution',
      input: fields(item, ['command']),
      output: contentText(item.aggregated_output),
    }),
  ],
  [
    'mcp_tool_call',
    (item: JsonObject): Reading => ({
      name: [item.server, item.tool].filter((part) => typeof part === 'string').join('.') || 'mcp_tool_call',
      input: objectOf(item.arguments),
      output: textOrNull(objectOf(item.error).message) ?? contentText(objectOf(item.result).content),
    }),
  ],
  [
    'file_change',
    (item: JsonObject): Reading => ({ name: 'file_change', input: fields(item, ['changes']), output: '' }),
  ],
  [
    'web_search',
    (item: JsonObject): Reading => ({
      name: 'web_search',
      input: fields(item, ['query', 'action']),
      output: '',
    }),
  ],
  [
    'collab_tool_call',
    (item: JsonObject): Reading => ({
      name: textOrNull(item.tool) ?? 'collab_tool_call',
      input: fields(item, ['prompt', 'receiver_thread_ids']),
      output: contentText(item.agents_states),
    }),
  ],
]);

/** Undefined for an item that is not a tool call. */
export function codexTool(item: JsonObject): CodexTool | undefined {
  const reading = TOOLS.get(item.type)?.(item);
  return reading === undefined ? undefined : { ...reading, failed: hasFailed(item) };
}

function hasFailed(item: JsonObject): boolean {
  if (item.status === 'failed' || item.status === 'declined' || isJsonObject(item.error)) return true;
  return typeof item.exit_code === 'number' && item.exit_code !== 0;
}
