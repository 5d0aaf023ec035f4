import type { OutputLine } from '../../../../../client/api/shapes.ts';

const COLOURS = /\x1b\[[\d;:]*m/g;

/** Whether a line has the words, in one piece and in any case, in what it says or what its call was given. */
export function foundIn(
  { content, tool_input: input, tool_name: name, type }: OutputLine,
  words: string,
): boolean {
  const wanted = words.toLowerCase();
  const has = (text: string): boolean => text.toLowerCase().includes(wanted);
  if (typeof name === 'string' && type === 'tool_call' && has(name)) return true;
  if (input !== undefined && type === 'tool_call') return textsOf(input, 0).some(has);
  const text = String(content);
  return has(text.includes('\u001b') ? text.replace(COLOURS, '') : text);
}

const DEPTH_MAX = 20;

function textsOf(value: unknown, depth: number): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number' || typeof value === 'boolean') return [String(value)];
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return [];
  return Object.entries(value).flatMap(([name, one]) => [name, ...textsOf(one, depth + 1)]);
}
