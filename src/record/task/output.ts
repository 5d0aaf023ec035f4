import type { AgentOutput } from '../../model/agent-output.ts';
import { ATTR } from '../../model/attributes.ts';
import { isJsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { safeContent } from '../../redact/safe-content.ts';

/** As JSON. A tool's input beyond that is text, cut as contents are. */
const TOOL_INPUT_BYTES_MAX = 1024 * 1024;

/** A record of one piece of output: the body is the (possibly cut) content. */
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

/** The content, also of a caller without types. */
function contentOf(content: unknown): JsonValue {
  return typeof content === 'string' ? content : toJsonValue(content);
}

/** A tool's input as data; one too large to be data is cut text, as the content beside it is. */
function toolInput(value: JsonValue): JsonValue {
  const plain = toJsonValue(value);
  return Buffer.byteLength(JSON.stringify(plain)) > TOOL_INPUT_BYTES_MAX ? safeContent(plain).text : plain;
}
