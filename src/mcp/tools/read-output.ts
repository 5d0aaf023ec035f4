import { z } from 'zod';
import { isTerminal } from '../../model/documents.ts';
import { checkId } from '../../model/ids.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import type { FlowWindow, WindowQuery } from '../../model/task-reading.ts';
import { fitJson } from '../fit-json.ts';
import type { McpReader } from '../mcp-reader.ts';
import { cursorOf, linkedPlace, placeOf } from '../place-cursor.ts';
import { defineTool, type Tool } from '../tool.ts';
import { type Answer, countOf, type More, ROWS_BYTES_MAX, Rows } from '../tool-answer.ts';
import { linkOf, rowLimit, taskId } from '../tool-arguments.ts';
import { notFound } from './get-task.ts';
import { readOneLine } from './one-line.ts';

/** Bytes of one line among others. Longer ones are read by their id. */
const LINE_BYTES_MAX = 6_000;

/** Lines without `after`, `before` and `tail`: the last ones say how it went. */
const TAIL = 50;

const place = z.string().min(1, 'must not be empty').max(300).optional();

const schema = z
  .strictObject({
    task_id: taskId,
    after: place.describe('Lines behind the one with this event_id.'),
    before: place.describe('The last lines before the one with this event_id.'),
    from_start: z.boolean().default(false).describe('From the first line on. Default: the last lines.'),
    limit: rowLimit(TAIL, 500),
    event_id: place.describe('One whole line instead of a window, for a line with cut_characters.'),
    offset: z.int().min(0).default(0).describe('With event_id: the characters of content to leave out.'),
  })
  .refine(
    ({ after, before, from_start: start, event_id: one }) =>
      [after, before, one, start || undefined].filter((given) => given !== undefined).length < 2,
    'give one of after, before, from_start and event_id',
  );

export const readOutput: Tool = defineTool({
  name: 'read_output',
  title: 'Read output',
  description:
    'A part of what the agent of a task printed and did (types output, thinking, tool_call, tool_result, error, result, system), ' +
    'in order. Without after, before and from_start: the last lines.',
  schema,
  run: async (given, { reader }) => {
    const id = checkId('task_id', given.task_id);
    if (!(await reader.hasTask(id))) throw notFound(id);
    if (given.event_id !== undefined)
      return readOneLine(reader, id, { place: placeOf(given.event_id), offset: given.offset });
    return readLines(reader, id, given);
  },
});

type Given = z.infer<typeof schema>;

async function readLines(reader: McpReader, id: string, given: Given): Promise<Answer> {
  const { after, before, from_start: isStart, limit } = given;
  const isForward = isStart || after !== undefined;
  const query = (lines: number): WindowQuery => {
    if (after !== undefined) return { after: placeOf(after), limit: lines };
    if (before !== undefined) return { before: placeOf(before), limit: lines };
    return isForward ? { limit: lines } : { tail: lines, limit: lines };
  };
  for (let lines: number = limit; ; ) {
    const window = await reader.openWindow(id, 'agent-output', query(lines));
    if (window === undefined)
      return { title: 'The task has no output yet.', rows: [], links: [linkTo(id, {})] };
    const found = await collect(window, isForward);
    // A window that ends where the answer does, so that its ids lead on. One line always has room.
    if (found.texts.length < found.count) lines = found.texts.length;
    else return answerOf({ id, window, texts: found.texts, lines, isOpen: await isOpen(reader, id) });
  }
}

interface Collected {
  readonly texts: readonly string[];
  /** Lines of the window. */
  readonly count: number;
}

/** Backward, the last lines are kept. */
async function collect(window: FlowWindow, isForward: boolean): Promise<Collected> {
  const fitted: string[] = [];
  let count = 0;
  let bytes = 0;
  try {
    for await (const line of window.lines()) {
      count += 1;
      // What is behind a full answer is only counted.
      if (isForward && bytes > ROWS_BYTES_MAX) continue;
      const text = fitJson(shownOf(line), LINE_BYTES_MAX);
      bytes += text.length;
      fitted.push(text);
    }
  } finally {
    await window.close();
  }
  const rows = new Rows();
  for (const text of isForward ? fitted : fitted.reverse()) if (!rows.addText(text)) break;
  return { texts: isForward ? rows.texts : rows.texts.reverse(), count };
}

interface Shown {
  readonly id: string;
  readonly window: Pick<FlowWindow, 'next' | 'previous' | 'skippedLines'>;
  readonly texts: readonly string[];
  readonly lines: number;
  /** Whether more lines may come. */
  readonly isOpen: boolean;
}

function answerOf({ id, window, texts, lines, isOpen }: Shown): Answer {
  const { previous, skippedLines } = window;
  const last = parseObject(texts.at(-1))?.event_id;
  const next = window.next ?? (isOpen && typeof last === 'string' ? last : undefined);
  const more: More[] = [];
  const add = (name: string, place: string | undefined): void => {
    if (place === undefined) return;
    more.push({
      kept: 'the same task_id',
      arguments: { [name]: cursorOf(place) },
      link: linkTo(id, { [name]: linkedPlace(place), limit: lines }),
    });
  };
  add('after', next);
  add('before', previous);
  const skipped = skippedLines > 0 ? ` ${skippedLines} damaged lines are left out.` : '';
  const cut = texts.some((text) => text.includes('"cut_characters"'))
    ? ' A line with cut_characters is longer: read it with its event_id.'
    : '';
  return {
    title: `${countOf(texts.length, 'line')} of the output, in order.${skipped}${cut}`,
    rows: texts,
    more,
    links: [linkTo(id, {})],
  };
}

async function isOpen(reader: McpReader, id: string): Promise<boolean> {
  // get_task says that the metadata are damaged.
  const metadata = await reader.readDocument(id, 'metadata').catch(() => undefined);
  return metadata !== undefined && !isTerminal(metadata.status);
}

function linkTo(id: string, query: object): string {
  return linkOf(`/api/tasks/${id}/logs/agent-output`, query);
}

/** The id first: it stays when there is room for little. The content of a tool call has its input. */
function shownOf(line: string): JsonObject {
  const { event_id: id, timestamp, type, content, ...rest } = parseObject(line) ?? {};
  const { tool_input: _, ...others } = rest;
  return { event_id: id, timestamp, type, content, ...others };
}
