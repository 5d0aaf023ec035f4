import { setImmediate } from 'node:timers/promises';
import type { MarkdownIt, Token } from 'markdown-it';
import { HtmlReader, loadHtml } from './html.ts';
import type { OwnWords } from './own-words.ts';

/** Parsed without a pause: as long as the longest comment that GitHub takes. */
const PIECE_CHARS = 65_536;
/** The longest block, for example a log between two fences. What stands behind a longer one is not read. */
const BLOCK_CHARS_MAX = 4 * PIECE_CHARS;
/** The longest paragraph whose emphasis and code are looked at. This is the slowest step of parsing. */
const PARAGRAPH_CHARS_MAX = PIECE_CHARS;

/**
 * Levels of quotations, lists and their items. Each level looks at every line below it once more, so their number bounds
 * the time. What is nested deeper is not read.
 */
const LEVELS_MAX = 20;
/** A longer block than a piece may have this many levels. */
const LEVELS_OF_LONG_BLOCK_MAX = 6;

interface Markdown {
  readonly parser: MarkdownIt;
  readonly html: HtmlReader;
  readonly words: OwnWords;
  readonly mention: RegExp;
}

/**
 * Reads GitHub's markdown with its HTML. Only paragraphs with a mention or HTML are parsed further than their block. The
 * text is parsed in pieces that end between two blocks, with a pause after each. Pieces grow with the blocks.
 */
export async function readMarkdown(source: string, words: OwnWords, mention: RegExp): Promise<void> {
  const markdown = await loadMarkdown(words, mention);
  const text = source.replaceAll(/\r\n?/g, '\n').replaceAll('\0', '\uFFFD');
  let from = 0;
  let size = PIECE_CHARS;
  while (from < text.length) {
    const end = endOfLine(text, from + size);
    const piece = text.slice(from, end);
    const tokens: Token[] = [];
    markdown.parser.block.parse(piece, markdown.parser, {}, tokens);
    if (isDeeper(tokens, LEVELS_MAX - 2)) words.isWhole = false;
    const isLast = end === text.length;
    const last = isLast
      ? tokens.length
      : tokens.findLastIndex(({ level, nesting }) => level === 0 && nesting >= 0);
    const line = isLast ? undefined : tokens[last]?.map?.[0];
    if (!isLast && (line ?? 0) === 0) {
      // One block fills the piece, and may go on behind it.
      const isSlow = size >= BLOCK_CHARS_MAX || isDeeper(tokens, LEVELS_OF_LONG_BLOCK_MAX);
      if (last >= 0 && isSlow) {
        words.isWhole = false;
        return;
      }
      if (last < 0) from = end;
      else size *= 4;
    } else {
      readTokens(tokens.slice(0, last), { ...markdown, piece });
      from = line === undefined ? end : from + offsetOfLine(piece, line);
    }
    await setImmediate();
  }
}

/** It keeps nothing of a text, and making one costs as much as reading a comment. */
let parser: MarkdownIt | undefined;

async function loadMarkdown(words: OwnWords, mention: RegExp): Promise<Markdown> {
  // Instead of micromark, which needs seconds for a few kilobytes of hostile markup.
  const [{ default: Parser }, parse5] = await Promise.all([import('markdown-it'), loadHtml()]);
  parser ??= new Parser({ html: true, maxNesting: LEVELS_MAX });
  return {
    parser,
    html: new HtmlReader(words, parse5),
    words,
    mention,
  };
}

function isDeeper(tokens: readonly Token[], levels: number): boolean {
  return tokens.some(({ level }) => level > levels);
}

function readTokens(tokens: readonly Token[], at: Markdown & { readonly piece: string }): void {
  let isSigned = false;
  const lines = at.piece.split('\n');
  for (const token of tokens) {
    if (token.type === 'inline') readInline(token.content, at);
    else readToken(token, at);
    if (token.block) at.words.endLine();
    if (token.type === 'heading_open') isSigned = isSignature(token, lines);
    if (token.type === 'heading_close' && isSigned) at.words.text(`${SIGNATURE}\n`);
  }
}

/** Begins the signature of a mail. To markdown it makes the line before it a heading. */
const SIGNATURE = '-- ';

function isSignature({ markup, map }: Token, lines: readonly string[]): boolean {
  return markup === '-' && map !== null && lines[map[1] - 1] === SIGNATURE;
}

function readInline(content: string, { parser, html, words, mention }: Markdown): void {
  if (words.isHidden) return;
  if (!mention.test(content) && !content.includes('<')) {
    words.text(content);
    return;
  }
  if (content.length > PARAGRAPH_CHARS_MAX) {
    words.isWhole = false;
    return;
  }
  const children: Token[] = [];
  parser.inline.parse(content, parser, {}, children);
  for (const child of children) readToken(child, { html, words });
}

function readToken(token: Token, { html, words }: Pick<Markdown, 'html' | 'words'>): void {
  switch (token.type) {
    case 'text':
    case 'text_special':
      words.text(token.content);
      return;
    case 'softbreak':
    case 'hardbreak':
      words.endLine();
      return;
    case 'html_inline':
    case 'html_block':
      html.write(token.content);
      return;
    case 'code_inline':
    case 'code_block':
    case 'fence':
    case 'image':
      words.gap();
      return;
    case 'blockquote_open':
      words.hide('quotation');
      return;
    case 's_open':
      words.hide('code');
      return;
    case 'blockquote_close':
    case 's_close':
      words.show();
      return;
    default:
  }
}

function endOfLine(text: string, at: number): number {
  const newline = text.indexOf('\n', at - 1);
  return newline < 0 ? text.length : newline + 1;
}

function offsetOfLine(text: string, line: number): number {
  let offset = 0;
  for (let n = 0; n < line; n += 1) offset = text.indexOf('\n', offset) + 1;
  return offset;
}
