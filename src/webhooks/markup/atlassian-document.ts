import { textAt, valueAt } from '../payload.ts';
import type { OwnWords } from './own-words.ts';

/** Blocks that start nothing. A placeholder is a template's hint where to write. */
const HIDDEN: ReadonlySet<string> = new Set([
  'codeBlock',
  'media',
  'mediaSingle',
  'mediaGroup',
  'placeholder',
]);

const INLINE: ReadonlySet<string> = new Set([
  'text',
  'mention',
  'emoji',
  'inlineCard',
  'status',
  'date',
  'placeholder',
  'mediaInline',
  'inlineExtension',
]);

/** Reads an Atlassian Document (`{type: "doc", content: [...]}`). Its depth is bounded with that of the payload. */
export function readAtlassianDocument(node: unknown, words: OwnWords): void {
  const type = textAt(node, 'type') ?? '';
  if (type === 'blockquote') {
    words.quotation();
    return;
  }
  if (HIDDEN.has(type)) {
    words.gap();
    return;
  }
  if (type === 'hardBreak') {
    words.endLine();
    return;
  }
  if (INLINE.has(type)) {
    readInline(type, node, words);
    return;
  }
  const content = valueAt(node, ['content']);
  words.endLine();
  for (const child of Array.isArray(content) ? content : []) readAtlassianDocument(child, words);
  words.endLine();
}

function readInline(type: string, node: unknown, words: OwnWords): void {
  if (type === 'text') {
    const marks = valueAt(node, ['marks']);
    const isHidden =
      Array.isArray(marks) && marks.some((mark) => /^(?:code|strike)$/.test(textAt(mark, 'type') ?? ''));
    if (isHidden) words.gap();
    else words.text(textAt(node, 'text') ?? '');
  } else if (type === 'mention') {
    const name = textAt(node, 'attrs', 'text') ?? '';
    words.text(name.startsWith('@') ? ` ${name} ` : ` @${name} `);
  } else {
    words.text(textAt(node, 'attrs', 'text') ?? textAt(node, 'attrs', 'url') ?? ' ');
  }
}
