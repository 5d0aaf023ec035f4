import { type OwnWords, QUOTED } from './own-words.ts';
import { readPlainText } from './plain-text.ts';

/** The repetitions are bounded: a longer marker counts as text, and matching stays linear. */
const MARK = /(?<!\\)\{(code|noformat|quote)(?::[^{}\n]{0,200})?\}/g;
const MACRO = /(?<!\\)\{[a-z][a-z0-9-]{0,30}(?::[^{}\n]{0,300})?\}/gi;
const LINK = /\[([^[\]|\n]{0,500})\|[^[\]\n]{0,2000}\]/g;
const MENTION = /\[~([^[\]|\n]{1,200})\]/g;
const STRUCK = /(?<=^|\s)-(?=[^\s-])[^\n-]{0,500}[^\s-]-(?=\s|$)/g;

/** Reads Jira's wiki markup. No parser of it is published for Node. */
export async function readJiraWiki(source: string, words: OwnWords, mention: RegExp): Promise<void> {
  const text = source.replaceAll(/\r\n?/g, '\n');
  let from = 0;
  for (const { start, end, isQuote } of hiddenParts(text)) {
    await readLines(text.slice(from, start), words, mention);
    if (isQuote) words.quotation();
    else words.endLine();
    from = end;
  }
  await readLines(text.slice(from), words, mention);
}

interface Part {
  readonly start: number;
  readonly end: number;
  readonly isQuote: boolean;
}

/** Code and quotations. A marker without a second one is shown as text. Within code no marker counts but its own. */
function hiddenParts(text: string): readonly Part[] {
  const marks = [...text.matchAll(MARK)];
  const code = pairs(marks, (name) => name !== 'quote');
  let next = 0;
  const outside = marks.filter(({ index }) => {
    while (next < code.length && (code[next]?.end ?? 0) <= index) next += 1;
    return index < (code[next]?.start ?? Number.POSITIVE_INFINITY);
  });
  const quotes = pairs(outside, (name) => name === 'quote');
  return merged([...code, ...quotes].sort((a, b) => a.start - b.start));
}

function pairs(marks: readonly RegExpExecArray[], isWanted: (name: string) => boolean): Part[] {
  const wanted = marks.filter(({ 1: name = '' }) => isWanted(name));
  const left = new Map<string, number>();
  for (const { 1: name = '' } of wanted) left.set(name, (left.get(name) ?? 0) + 1);
  const parts: Part[] = [];
  let open: RegExpExecArray | undefined;
  for (const mark of wanted) {
    const name = mark[1] ?? '';
    left.set(name, (left.get(name) ?? 0) - 1);
    if (open === undefined) {
      if ((left.get(name) ?? 0) > 0) open = mark;
    } else if (open[1] === name) {
      parts.push({ start: open.index, end: mark.index + mark[0].length, isQuote: name === 'quote' });
      open = undefined;
    }
  }
  return parts;
}

/** Without the parts inside another one. */
function merged(parts: readonly Part[]): Part[] {
  const outer: Part[] = [];
  for (const part of parts) {
    if (part.start >= (outer.at(-1)?.end ?? 0)) outer.push(part);
  }
  return outer;
}

function readLines(text: string, words: OwnWords, mention: RegExp): Promise<void> {
  return readPlainText(text, words, (line) =>
    /^[^\S\n]*bq\.\s/.test(line) ? QUOTED : ownText(line, mention),
  );
}

function ownText(line: string, mention: RegExp): string {
  if (!mention.test(line) && !line.includes('[~')) return line;
  return withoutMono(line)
    .replaceAll(MENTION, (whole, name: string) => (mention.test(`@${name}`) ? `@${name}` : whole))
    .replaceAll(LINK, '$1')
    .replaceAll(MACRO, '')
    .replaceAll(STRUCK, ' ')
    .replaceAll('\\\\', ' ')
    .replaceAll(/\\([{[*_-])/g, '$1');
}

/** Without `{{code}}`. */
function withoutMono(line: string): string {
  let out = '';
  let from = 0;
  for (;;) {
    const start = line.indexOf('{{', from);
    const end = start < 0 ? -1 : line.indexOf('}}', start + 2);
    if (end < 0) return out + line.slice(from);
    out += `${line.slice(from, start)} \`…\` `;
    from = end + 2;
  }
}
