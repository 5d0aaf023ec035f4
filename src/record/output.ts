import type { AgentOutput } from '../model/agent.ts';
import { ATTR } from '../model/attributes.ts';
import type { JsonValue } from '../model/json.ts';
import { toJsonValue } from '../model/json.ts';

/** The contract's limit for one content; more of it would make a line that tools choke on. */
const CONTENT_BYTES_MAX = 1024 * 1024;

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
  for (const [name, value] of Object.entries(output.more ?? {})) {
    attributes[ATTR.outputPrefix + name] = toJsonValue(value);
  }
  const { text, originalBytes } = cutContent(String(output.content));
  if (originalBytes !== undefined) {
    attributes[ATTR.outputTruncated] = true;
    attributes[ATTR.outputOriginalBytes] = originalBytes;
  }
  return { body: text, attributes };
}

function cutContent(content: string): { text: string; originalBytes?: number } {
  // A UTF-16 unit is at most three bytes: most contents need no count.
  if (content.length * 3 <= CONTENT_BYTES_MAX) return { text: content };
  const originalBytes = Buffer.byteLength(content);
  if (originalBytes <= CONTENT_BYTES_MAX) return { text: content };
  const cut = Buffer.from(content).subarray(0, CONTENT_BYTES_MAX).toString('utf8');
  // A character cut in half decodes to the replacement character.
  return { text: cut.endsWith('\ufffd') ? cut.slice(0, -1) : cut, originalBytes };
}

/** A tool's input as data; one too large to be data is cut text, as the content beside it is. */
function toolInput(value: JsonValue): JsonValue {
  const plain = toJsonValue(value);
  const text = JSON.stringify(plain);
  return text.length > CONTENT_BYTES_MAX ? cutContent(text).text : plain;
}
