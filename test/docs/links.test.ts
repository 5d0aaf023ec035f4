import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { type Page, ROOT, readPages } from './markdown.ts';

const pages = readPages();
const byPath = new Map(pages.map((page) => [page.path, page]));

/** Allowed hosts of external links, which tests do not fetch. Add new hosts here. */
const EXTERNAL_HOSTS: readonly string[] = [];

test('the pages are found', () => {
  expect([...byPath.keys()]).toEqual(
    expect.arrayContaining(['README.md', 'collector/README.md', 'docs/rest.md', 'examples/README.md']),
  );
});

test('the file and the heading of every relative link exist', () => {
  const links = pages.flatMap(({ links }) => links).filter(({ target }) => !isExternal(target));
  expect(links.length).toBeGreaterThan(50);
  const broken = links.flatMap(({ page, line, target }) => {
    const problem = problemOf(byPath.get(page), target);
    return problem === undefined ? [] : [`${page}:${line}: ${target}: ${problem}`];
  });
  expect(broken).toEqual([]);
});

test('every page of docs is reachable from the README', () => {
  const reached = new Set<string>();
  const queue = ['README.md'];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { target } of byPath.get(path)?.links ?? []) {
      const [file = ''] = target.split('#');
      if (!isExternal(target) && file.endsWith('.md')) queue.push(normalize(join(dirname(path), file)));
    }
  }
  expect([...byPath.keys()].filter((path) => path.startsWith('docs/') && !reached.has(path))).toEqual([]);
});

test('external links use https and allowed hosts', () => {
  const external = pages.flatMap(({ links }) => links).filter(({ target }) => isExternal(target));
  const hosts = new Set(external.map(({ target }) => new URL(target)).map(({ host }) => host));
  expect([...hosts].sort()).toEqual(EXTERNAL_HOSTS);
  expect(external.filter(({ target }) => !target.startsWith('https:'))).toEqual([]);
});

function isExternal(target: string): boolean {
  return /^[a-z]+:/.test(target);
}

function problemOf(from: Page | undefined, target: string): string | undefined {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? (from?.path ?? '') : normalize(join(dirname(from?.path ?? ''), file));
  if (!existsSync(join(ROOT, path))) return 'no such file';
  if (anchor === undefined) return undefined;
  return byPath.get(path)?.anchors.has(anchor) === true ? undefined : 'no such heading';
}
