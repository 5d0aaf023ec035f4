import { numberAt, textAt, valueAt } from '../payload.ts';

/** The repetitions are bounded: a longer marker or code span counts as text, and matching stays linear. */
const WIKI_MARK = /\{(code|noformat|quote)(?::[^{}\n]{0,200})?\}/g;
const WIKI_INLINE_CODE = /\{\{[^{}\n]{1,200}\}\}/g;

/** Text in Jira's wiki markup without code and quotations, to search it for commands. */
export function withoutWikiCode(text: string): string {
  let out = '';
  let from = 0;
  let open: { readonly name: string | undefined; readonly at: number } | undefined;
  for (const mark of text.matchAll(WIKI_MARK)) {
    if (open === undefined) open = { name: mark[1], at: mark.index };
    else if (open.name === mark[1]) {
      out += `${text.slice(from, open.at)} `;
      from = mark.index + mark[0].length;
      open = undefined;
    }
  }
  return (out + text.slice(from)).replaceAll(WIKI_INLINE_CODE, ' ').replaceAll(/^[^\S\n]*bq\. .*$/gm, '');
}

/**
 * An Atlassian Document (`{type: "doc", content: [...]}`) as text: a line for each paragraph, mentions and emoji as shown,
 * code and quotations marked as in Markdown. An unknown node becomes the text inside it.
 */
export function textOfAtlassianDocument(document: object): string {
  return blocksOf(document).replace(/\n+$/, '');
}

type Block = (node: object) => string;

const BLOCKS: ReadonlyMap<string, Block> = new Map<string, Block>([
  ['paragraph', (node) => `${inlinesOf(node)}\n`],
  ['heading', (node) => `${'#'.repeat(numberAt(node, 'attrs', 'level') ?? 1)} ${inlinesOf(node)}\n`],
  ['codeBlock', (node) => `\`\`\`${textAt(node, 'attrs', 'language') ?? ''}\n${inlinesOf(node)}\n\`\`\`\n`],
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

function items(list: object, mark: (n: number) => string): string {
  return childrenOf(list)
    .map((item, n) => prefixed(blocksOf(item), mark(n), '  '))
    .join('');
}

function prefixed(text: string, first: string, others: string): string {
  return `${text
    .replace(/\n+$/, '')
    .split('\n')
    .map((line, n) => (n === 0 ? first : others) + line)
    .join('\n')}\n`;
}

function childrenOf(node: object): readonly object[] {
  const content = valueAt(node, ['content']);
  return Array.isArray(content) ? content.filter((child) => typeof child === 'object' && child !== null) : [];
}
