import { type JsonObject, objectOf, parseObject } from '../../model/json.ts';
import type { Flow } from '../../model/task-reading.ts';
import { firstOfText } from '../../model/text.ts';
import { html, Markup } from './markup.ts';

/** What a browser still opens at once: lines, and characters of all of them. */
const LINES_MAX = 20_000;
const CHARS_MAX = 16_777_216;

/** Characters of one text. */
const TEXT_MAX = 100_000;

/** Longer texts are folded. */
const FOLD_CHARS = 2_000;

const SUMMARY_CHARS = 120;

/** Types with a form of their own. */
const SHOWN: ReadonlySet<string> = new Set(['output', 'result', 'system']);

/** The lines of an agent's output, one after the other, and how many were left out. Holds no more than one line. */
export async function* transcriptOf(flow: Flow): AsyncGenerator<Markup> {
  let lines = 0;
  let chars = 0;
  let leftOut = 0;
  for await (const text of flow.lines()) {
    if (lines >= LINES_MAX || chars >= CHARS_MAX) {
      leftOut += 1;
      continue;
    }
    const line = lineMarkup(parseObject(text) ?? {});
    lines += 1;
    chars += line.text.length;
    yield line;
  }
  if (lines === 0) yield html`<p class="soft">The agent has printed nothing.</p>`;
  const missing = leftOut + flow.skippedLines;
  if (missing > 0)
    yield html`<p class="box">${missing} more lines are in 03-agent-output.jsonl of the task: too many for one page, or damaged.</p>`;
}

function lineMarkup(line: JsonObject): Markup {
  const { timestamp, content, tool_name: tool, tool_input: input, sender } = line;
  const type = plainText(line.type) || 'line';
  const isError = line.is_error === true || type === 'error';
  // A class of our own, not a word of the record.
  const kind = isError ? 'error' : SHOWN.has(type) ? type : 'other';
  const who = typeof sender === 'string' ? html` <span class="bad">[sent by ${sender}]</span>` : null;
  const name = typeof tool === 'string' ? html` <code>${tool}</code>` : null;
  const body = input === undefined ? plainText(content) : JSON.stringify(objectOf(input), null, 2);
  return html`<article class="line ${kind}"><header><time>${timeText(timestamp)}</time> <span><span class="word">${type.replaceAll('_', ' ')}</span>${name}${isError && type !== 'error' ? html` <span class="bad">error</span>` : null}${who}</span></header>${bodyMarkup(body, type === 'thinking')}</article>
`;
}

/** A text as it is, or folded behind its first line. */
export function bodyMarkup(text: string, isFolded = false): Markup {
  if (text === '') return new Markup('');
  const shown = firstOfText(text, TEXT_MAX);
  const rest = text.length - shown.length;
  const note =
    rest === 0 ? null : html`<p class="soft">${rest} more characters are in the files of the task.</p>`;
  if (!isFolded && text.length <= FOLD_CHARS) return html`<pre>${shown}</pre>${note}`;
  const summary = firstOfText(text.trimStart().split('\n', 1)[0] ?? '', SUMMARY_CHARS);
  return html`<details><summary>${summary} <span class="soft">(${text.length} characters)</span></summary><pre>${shown}</pre>${note}</details>`;
}

/** The time of a day: the document begins with the date. */
export function timeText(timestamp: unknown): string {
  return typeof timestamp === 'string' ? timestamp.slice(11, 23) : '';
}

export function plainText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}
