import type { AgentOutput } from '../../model/agent-output.ts';
import { isJsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { isList } from './json-line.ts';

/** Bound for calls without a result, which would fill the memory otherwise. */
const CALLS_MAX = 10_000;

export interface ToolUse {
  readonly name: string;
  readonly input: JsonValue | undefined;
  readonly id: JsonValue | undefined;
}

export function toolCall({ name, input, id }: ToolUse): AgentOutput {
  const toolInput = toJsonValue(input);
  const call = {
    type: 'tool_call',
    content: `${name} ${JSON.stringify(toolInput)}`,
    toolName: name,
    toolInput,
  } as const;
  return typeof id === 'string' ? { ...call, toolUseId: id } : call;
}

/** Tool names by call id. Drops the oldest call above the limit. */
export class ToolNames {
  readonly #names = new Map<string, string>();

  called(id: JsonValue | undefined, name: string): void {
    if (typeof id !== 'string') return;
    this.#names.set(id, name);
    if (this.#names.size <= CALLS_MAX) return;
    const [oldest] = this.#names.keys();
    if (oldest !== undefined) this.#names.delete(oldest);
  }

  nameOf(id: JsonValue | undefined): string | undefined {
    return typeof id === 'string' ? this.#names.get(id) : undefined;
  }

  /** Forgets the call. Returns whether it was known. For agents that do not reuse ids. */
  answered(id: JsonValue | undefined): boolean {
    return typeof id === 'string' && this.#names.delete(id);
  }
}

/** The text of a result: a string, or blocks. Blocks of other types are kept as JSON. */
export function contentText(content: JsonValue | undefined): string {
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
