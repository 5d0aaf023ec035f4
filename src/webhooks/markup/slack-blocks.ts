import { textAt, valueAt } from '../payload.ts';
import type { OwnWords } from './own-words.ts';
import { type NameOf, readSlackText } from './slack-text.ts';

const KNOWN: ReadonlySet<string> = new Set([
  'rich_text',
  'section',
  'header',
  'context',
  'divider',
  'image',
  'actions',
  'file',
]);

/** Whether blocks hold a text, and all of it. */
export function areReadableBlocks(blocks: unknown): boolean {
  if (!Array.isArray(blocks)) return false;
  const types = blocks.map((block) => textAt(block, 'type') ?? '');
  return (
    types.every((type) => KNOWN.has(type)) && types.some((type) => type === 'rich_text' || type === 'section')
  );
}

/** Reads the blocks of a message. What a person types comes as `rich_text`, which Slack itself has parsed. */
export function readSlackBlocks(blocks: unknown, words: OwnWords, nameOf: NameOf): void {
  for (const block of listOf(blocks)) {
    const type = textAt(block, 'type');
    if (type === 'rich_text') for (const element of elementsOf(block)) readRichText(element, words, nameOf);
    else {
      const parts = [valueAt(block, ['text']), ...listOf(valueAt(block, ['fields'])), ...elementsOf(block)];
      for (const part of parts) readPart(part, words, nameOf);
    }
    words.endLine();
  }
}

function readPart(part: unknown, words: OwnWords, nameOf: NameOf): void {
  const text = textAt(part, 'text');
  if (text === undefined) return;
  if (textAt(part, 'type') === 'mrkdwn') readSlackText(text, words, nameOf);
  else words.text(text);
  words.endLine();
}

function readRichText(element: unknown, words: OwnWords, nameOf: NameOf): void {
  switch (textAt(element, 'type')) {
    case 'rich_text_preformatted':
      words.endLine();
      return;
    case 'rich_text_quote':
      words.quotation();
      return;
    case 'rich_text_list':
      // A list inside a quotation has its border.
      if (Number(valueAt(element, ['border'])) > 0) {
        words.quotation();
        return;
      }
      for (const item of elementsOf(element)) readRichText(item, words, nameOf);
      return;
    default:
      for (const inline of elementsOf(element)) readInline(inline, words, nameOf);
      words.endLine();
  }
}

function readInline(inline: unknown, words: OwnWords, nameOf: NameOf): void {
  const style = valueAt(inline, ['style']);
  if (valueAt(style, ['code']) === true || valueAt(style, ['strike']) === true) {
    words.gap();
    return;
  }
  switch (textAt(inline, 'type')) {
    case 'text':
      words.text(textAt(inline, 'text') ?? '');
      return;
    case 'link':
      words.text(textAt(inline, 'text') ?? textAt(inline, 'url') ?? '');
      return;
    case 'user':
      words.text(nameOf(textAt(inline, 'user_id') ?? ''));
      return;
    default:
      // Emoji, channels, dates: no part of a command.
      words.text(' ');
      return;
  }
}

function elementsOf(value: unknown): readonly unknown[] {
  return listOf(valueAt(value, ['elements']));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
