import { setImmediate } from 'node:timers/promises';
import { readAtlassianDocument } from './atlassian-document.ts';
import { HtmlReader, loadHtml } from './html.ts';
import { readJiraWiki } from './jira-wiki.ts';
import { withoutMailParts } from './mail.ts';
import { readMarkdown } from './markdown.ts';
import { OwnWords } from './own-words.ts';
import { readPlainText } from './plain-text.ts';
import { readSlackBlocks } from './slack-blocks.ts';
import { type NameOf, readSlackText } from './slack-text.ts';

/** The markup of a text. `text` is none, as in mail. */
export type Markup = 'markdown' | 'html' | 'text' | 'jira' | 'slack';

/** What a person has written, in the form in which the vendor sends it. */
export type Writing =
  | { readonly markup: Markup; readonly text: string; readonly nameOf?: NameOf }
  | { readonly markup: 'atlassian-document'; readonly document: unknown }
  | { readonly markup: 'slack-blocks'; readonly blocks: unknown; readonly nameOf: NameOf };

export interface OwnLines {
  readonly lines: readonly string[];
  /** False when the text is too long, and a part of it was not read. */
  readonly isWhole: boolean;
}

/** The longest text that is read. GitLab's comments have at most a million characters, others fewer. */
const TEXT_CHARS_MAX = 1_048_576;
const AT_ONCE: ReadonlySet<Markup> = new Set(['slack', 'html']);
/** After a longer text other work goes on first. */
const PAUSE_CHARS = 16_384;
/** Slack's markup and HTML are read without a pause. Messages of Slack and Teams have at most 40,000 characters. */
const CHARS_AT_ONCE_MAX = 262_144;

/**
 * The author's own lines of a text, with its markup removed: without code, quotations, what is struck out or not shown,
 * and without the parts of a mail that its program adds. Takes linear time. Without `mention` in the text it may return
 * nothing.
 */
export async function readOwnLines(writing: Writing, mention: RegExp): Promise<OwnLines> {
  const words = new OwnWords();
  if ('text' in writing) {
    const { text } = writing;
    const charsMax = AT_ONCE.has(writing.markup) ? CHARS_AT_ONCE_MAX : TEXT_CHARS_MAX;
    words.isWhole = text.length <= charsMax;
    await readText({ ...writing, text: words.isWhole ? text : wholeLines(text, charsMax) }, words, mention);
    // One body may hold many long texts.
    if (text.length > PAUSE_CHARS) await setImmediate();
  } else if (writing.markup === 'slack-blocks') readSlackBlocks(writing.blocks, words, writing.nameOf);
  else readAtlassianDocument(writing.document, words);
  words.endLine();
  return { lines: withoutMailParts(words.lines), isWhole: words.isWhole };
}

async function readText(
  { markup, text, nameOf = (id) => `<@${id}>` }: Extract<Writing, { text: string }>,
  words: OwnWords,
  mention: RegExp,
): Promise<void> {
  switch (markup) {
    case 'slack':
      readSlackText(text, words, nameOf);
      return;
    case 'jira':
      return readJiraWiki(text, words, mention);
    case 'text':
      return readPlainText(text, words);
    case 'markdown':
      // Most comments mention no agent, and cost one search.
      return mention.test(text) ? readMarkdown(text, words, mention) : undefined;
    case 'html':
      if (mention.test(text)) new HtmlReader(words, await loadHtml()).write(text);
  }
}

function wholeLines(text: string, charsMax: number): string {
  const end = text.lastIndexOf('\n', charsMax - 1);
  return text.slice(0, end < 0 ? charsMax : end);
}
