import { parseObject } from '../../model/json.ts';
import type { WindowQuery } from '../../model/task-reading.ts';
import { firstOfText } from '../../model/text.ts';
import type { McpReader } from '../mcp-reader.ts';
import { cursorOf, linkedPlace } from '../place-cursor.ts';
import { type Answer, ROWS_BYTES_MAX, Rows } from '../tool-answer.ts';
import { linkOf } from '../tool-arguments.ts';
import { visibleJson } from '../visible-text.ts';

/** Bytes of the other members of the line. */
const MEMBERS_BYTES_MAX = 4_000;

/** Bytes of its content. */
const CONTENT_BYTES_MAX: number = ROWS_BYTES_MAX - MEMBERS_BYTES_MAX - 1_000;

/** A line of the output by its id, with a part of its content. */
export async function readOneLine(
  reader: McpReader,
  id: string,
  { place, offset }: { readonly place: string; readonly offset: number },
): Promise<Answer> {
  const line = parseObject(await textAt(reader, id, place)) ?? {};
  const { content, tool_input: input, ...members } = line;
  const rows = new Rows();
  rows.add(members, MEMBERS_BYTES_MAX);
  const whole = typeof content === 'string' ? content : '';
  const part = partOf(whole, offset);
  rows.texts.push(visibleJson({ offset, content: part }));
  const end = offset + part.length;
  const link = linkOf(`/api/tasks/${id}/logs/agent-output`, { before: linkedPlace(place), limit: 1 });
  return {
    title: `A line of the output: its other members, then ${part.length} of the ${whole.length} characters of its content.`,
    rows: rows.texts,
    more:
      end < whole.length
        ? [{ kept: 'the same task_id', arguments: { event_id: cursorOf(place), offset: end }, link }]
        : [],
    links: input === undefined ? [] : [link],
  };
}

/** The line itself stands behind the one before it. */
async function textAt(reader: McpReader, id: string, place: string): Promise<string | undefined> {
  const before = await readWindow(reader, id, { before: place, limit: 1 });
  const query = before.next === undefined ? { limit: 1 } : { after: before.next, limit: 1 };
  return (await readWindow(reader, id, query)).text;
}

async function readWindow(
  reader: McpReader,
  id: string,
  query: WindowQuery,
): Promise<{ readonly text: string | undefined; readonly next: string | undefined }> {
  const window = await reader.openWindow(id, 'agent-output', query);
  if (window === undefined) return { text: undefined, next: undefined };
  try {
    for await (const text of window.lines()) return { text, next: window.next };
    return { text: undefined, next: window.next };
  } finally {
    await window.close();
  }
}

/** As many characters as have room: each may take one byte, or twelve as an escape. */
function partOf(content: string, offset: number): string {
  let part = firstOfText(content.slice(offset, offset + CONTENT_BYTES_MAX + 1), CONTENT_BYTES_MAX);
  while (Buffer.byteLength(visibleJson(part)) > CONTENT_BYTES_MAX)
    part = firstOfText(part, Math.floor(part.length / 2));
  return part;
}
