import type { AgentOutput } from '../../model/agent-output.ts';
import { ATTR } from '../../model/attributes.ts';
import { isJsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { safeContent } from '../../redact/safe-content.ts';

/** Limit of a tool's input as JSON. A longer input becomes text and is cut like a content. */
const TOOL_INPUT_BYTES_MAX = 1024 * 1024;

/** The record of one output. The body is the content, cut if it is too long. */
export interface OutputRecord {
  readonly body: string;
  readonly attributes: Record<string, JsonValue | undefined>;
}

export function outputRecord(output: AgentOutput): OutputRecord {
  const attributes: Record<string, JsonValue | undefined> = { [ATTR.outputType]: output.type };
  if (output.toolName !== undefined) attributes[ATTR.genAiToolName] = output.toolName;
  if (output.toolUseId !== undefined) attributes[ATTR.genAiToolCallId] = output.toolUseId;
  if (output.toolInput !== undefined) attributes[ATTR.genAiToolCallArguments] = toolInput(output.toolInput);
  if (output.isError !== undefined) attributes[ATTR.toolIsError] = output.isError;
  const more = toJsonValue(output.more);
  for (const [name, value] of Object.entries(isJsonObject(more) ? more : {})) {
    attributes[ATTR.outputPrefix + name] = value;
  }
  const { text, originalBytes } = safeContent(contentOf(output.content));
  if (originalBytes !== undefined) {
    attributes[ATTR.outputTruncated] = true;
    attributes[ATTR.outputOriginalBytes] = originalBytes;
  }
  return { body: text, attributes };
}

/** The content; callers without types may pass any value. */
function contentOf(content: unknown): JsonValue {
  return typeof content === 'string' ? content : toJsonValue(content);
}

/** A tool's input as JSON, or as cut text when it is too large. */
function toolInput(value: JsonValue): JsonValue {
  const plain = toJsonValue(value);
  return Buffer.byteLength(JSON.stringify(plain)) > TOOL_INPUT_BYTES_MAX ? safeContent(plain).text : plain;
}
