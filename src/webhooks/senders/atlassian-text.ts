import { withoutEnd } from '../../model/text.ts';
import { numberAt, textAt, valueAt } from '../payload.ts';

/**
 * An Atlassian Document (`{type: "doc", content: [...]}`) as text: a line for each paragraph, mentions and emoji as shown,
 * code and quotations marked as in Markdown. An unknown node becomes the text inside it.
 */
export function textOfAtlassianDocument(document: object): string {
  return withoutEnd(blocksOf(document), '\n');
}

type Block = (node: object) => string;

const BLOCKS: ReadonlyMap<string, Block> = new Map<string, Block>([
  ['paragraph', (node) => `${inlinesOf(node)}\n`],
  ['heading', (node) => `${'#'.repeat(numberAt(node, 'attrs', 'level') ?? 1)} ${inlinesOf(node)}\n`],
  ['codeBlock', codeBlock],
  ['blockquote', (node) => prefixed(blocksOf(node), '> ', '> ')],
  ['bulletList', (node) => items(node, () => '- ')],
  ['orderedList', (node) => items(node, (n) => `${n + (numberAt(node, 'attrs', 'order') ?? 1)}. `)],
  ['taskList', (node) => items(node, () => '- ')],
  ['decisionList', (node) => items(node, () => '- ')],
  ['rule', () => '---\n'],
  ['blockCard', (node) => `${textAt(node, 'attrs', 'url') ?? ''}\n`],
]);

const INLINES: ReadonlyMap<string, Block> = new Map<string, Block>([
  ['text', textNode],
  ['hardBreak', () => '\n'],
  ['mention', (node) => textAt(node, 'attrs', 'text') ?? ''],
  ['emoji', (node) => textAt(node, 'attrs', 'text') ?? textAt(node, 'attrs', 'shortName') ?? ''],
  ['inlineCard', (node) => textAt(node, 'attrs', 'url') ?? ''],
  ['status', (node) => textAt(node, 'attrs', 'text') ?? ''],
]);

function blocksOf(node: object): string {
  let out = '';
  let line = '';
  for (const child of childrenOf(node)) {
    const type = textAt(child, 'type') ?? '';
    const inline = INLINES.get(type);
    // Some blocks, such as tasks, hold text without a paragraph.
    if (inline !== undefined) line += inline(child);
    else {
      out += line === '' ? '' : `${line}\n`;
      line = '';
      out += (BLOCKS.get(type) ?? blocksOf)(child);
    }
  }
  return line === '' ? out : `${out}${line}\n`;
}

function inlinesOf(node: object): string {
  return childrenOf(node)
    .map((child) => (INLINES.get(textAt(child, 'type') ?? '') ?? inlinesOf)(child))
    .join('');
}

function textNode(node: object): string {
  const text = textAt(node, 'text') ?? '';
  const marks = valueAt(node, ['marks']);
  const isCode = Array.isArray(marks) && marks.some((mark) => textAt(mark, 'type') === 'code');
  return isCode ? `\`${text}\`` : text;
}

/** With a fence that is longer than each one in the code. */
function codeBlock(node: object): string {
  const code = inlinesOf(node);
  const longest = (code.match(/`{3,}/g) ?? []).reduce((length, { length: own }) => Math.max(length, own), 2);
  const fence = '`'.repeat(longest + 1);
  return `${fence}${textAt(node, 'attrs', 'language') ?? ''}\n${code}\n${fence}\n`;
}

function items(list: object, mark: (n: number) => string): string {
  return childrenOf(list)
    .map((item, n) => prefixed(blocksOf(item), mark(n), '  '))
    .join('');
}

function prefixed(text: string, first: string, others: string): string {
  return `${withoutEnd(text, '\n')
    .split('\n')
    .map((line, n) => (n === 0 ? first : others) + line)
    .join('\n')}\n`;
}

function childrenOf(node: object): readonly object[] {
  const content = valueAt(node, ['content']);
  return Array.isArray(content) ? content.filter((child) => typeof child === 'object' && child !== null) : [];
}
