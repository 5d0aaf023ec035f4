import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const ROOT: string = resolve(import.meta.dirname, '..', '..');

/** A fenced block of code. */
export interface Block {
  readonly page: string;
  /** Line number of the first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** The HTML comment above the block, with only blank lines between them. */
  readonly note: string | undefined;
}

export interface Link {
  readonly page: string;
  readonly line: number;
  readonly target: string;
}

export interface Page {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly text: string;
  /** The text with the lines of code blocks left empty. */
  readonly prose: string;
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly Link[];
  readonly blocks: readonly Block[];
}

/** Foreign or generated folders. */
const SKIPPED = new Set(['node_modules', 'dist', '.git', '.cache', 'samples', 'golden']);

/** All `*.md` files of the repository. */
export function readPages(): readonly Page[] {
  return filesBelow(ROOT)
    .filter((path) => path.endsWith('.md'))
    .sort()
    .map((path) => parsePage(relative(ROOT, path), readFileSync(path, 'utf8')));
}

/** Whether a page is documentation: all pages except those of the collector and Grafana, and the changelog. */
export function isDocumentation({ path }: Page): boolean {
  return /^(?:README|CONTRIBUTING|SECURITY|docs\/.*|examples\/.*)(?:\.md)?$/.test(path);
}

export function parsePage(path: string, text: string): Page {
  const lines = text.split('\n');
  const prose: string[] = [];
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    const [, indent = '', language] = /^( *)```([a-z]*)$/.exec(line) ?? [];
    if (language === undefined) {
      prose.push(line);
      continue;
    }
    const end = lines.findIndex((one, at) => at > index && one === `${indent}\`\`\``);
    if (end < 0) throw new Error(`${path}:${index + 1}: the block has no end`);
    const body = lines.slice(index + 1, end).map((one) => one.slice(indent.length));
    const note = noteAbove(lines, index);
    blocks.push({ page: path, line: index + 2, language, text: `${body.join('\n')}\n`, note });
    prose.push(...Array.from({ length: end - index + 1 }, () => ''));
    index = end;
  }
  return {
    path,
    text,
    prose: prose.join('\n'),
    anchors: anchorsOf(prose),
    links: linksOf(path, prose),
    blocks,
  };
}

/** The words in backticks outside code blocks. */
export function wordsOf({ prose }: Page): ReadonlySet<string> {
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
  return new Set(spans.flatMap((span) => span.split(/[\s.{},]+/)));
}

function noteAbove(lines: readonly string[], index: number): string | undefined {
  let at = index - 1;
  while (at >= 0 && lines[at]?.trim() === '') at -= 1;
  return /^\s*<!-- (.*) -->$/.exec(lines[at] ?? '')?.[1];
}

/** Heading anchors as GitHub generates them: lower case, hyphens for spaces, a number for duplicates. */
function anchorsOf(lines: readonly string[]): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const line of lines) {
    const [, title] = /^#{1,6} (.+)$/.exec(line) ?? [];
    if (title === undefined) continue;
    const plain = title.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/`/g, '');
    const name = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    let unique = name;
    for (let number = 1; anchors.has(unique); number += 1) unique = `${name}-${number}`;
    anchors.add(unique);
  }
  return anchors;
}

function linksOf(page: string, lines: readonly string[]): readonly Link[] {
  return lines.flatMap((text, index) => {
    // Text in backticks is not a link.
    const plain = text.replaceAll(/`[^`]*`/g, '');
    return [...plain.matchAll(/\]\(([^)\s]+)\)|<a href="([^"]+)"/g)].map(([, inline, html]) => ({
      page,
      line: index + 1,
      target: inline ?? html ?? '',
    }));
  });
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}
