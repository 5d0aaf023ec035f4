import { isJsonObject, parseObject } from '../../model/json.ts';
import type { TaskDocuments } from '../task-row.ts';

/** Values of a tool's input that are read: a hostile one may have millions. */
const VALUES_MAX = 10_000;

/** The texts of the documents that are searched. */
export function textsOfDocuments(taskId: string, { input, result }: TaskDocuments): readonly string[] {
  return [taskId, input?.message, result?.result, result?.error].filter((text) => typeof text === 'string');
}

/** What is searched of a line of the agent's output. */
export interface OutputTexts {
  readonly texts: readonly string[];
  /** Of a call. */
  readonly tool: string | undefined;
}

export function textsOfLine(line: string): OutputTexts {
  const { type, content, tool_name: name, tool_input: input } = parseObject(line) ?? {};
  const texts: string[] = [];
  if (typeof content === 'string') texts.push(content);
  const tool = typeof name === 'string' && name !== '' ? name : undefined;
  if (tool !== undefined) texts.push(tool);
  addValues(input, texts);
  return { texts, tool: type === 'tool_call' ? tool : undefined };
}

/** Each text in a value by itself, as it was before it was JSON: `npm test` in a command is a phrase. */
function addValues(value: unknown, texts: string[]): void {
  const waiting: unknown[] = [value];
  for (let count = 0; waiting.length > 0 && count < VALUES_MAX; count += 1) {
    const next = waiting.pop();
    if (typeof next === 'string') texts.push(next);
    else if (typeof next === 'number') texts.push(String(next));
    else if (Array.isArray(next)) waiting.push(...next.slice(0, VALUES_MAX).reverse());
    else if (isJsonObject(next)) waiting.push(...Object.values(next).slice(0, VALUES_MAX).reverse());
  }
}
