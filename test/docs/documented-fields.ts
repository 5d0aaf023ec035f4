import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { parsePage, ROOT, wordsOf } from './markdown.ts';

/** Objects whose fields are the caller's own, a vendor's, or have a specification elsewhere. */
const FREE = new Set(['attributes', 'tool_input', 'models', 'body', 'artifacts', 'payload']);

/** The page about the files, and every word that stands in backticks there. */
export function readFilesPage(): { readonly text: string; readonly words: ReadonlySet<string> } {
  const page = parsePage('docs/files.md', readFileSync(join(ROOT, 'docs', 'files.md'), 'utf8'));
  return { text: page.text, words: wordsOf(page) };
}

/** The fields in the files of a log directory that the page does not name; one line each. */
export async function undocumentedFields(logDir: string): Promise<readonly string[]> {
  const { words } = readFilesPage();
  const missing = new Set<string>();
  for (const path of filesBelow(logDir)) {
    // Spans are OTLP; the journal and the runs of agents are not for readers.
    if (/trace\.jsonl$/.test(basename(path)) || /\/_(?:journal|agent)\//.test(path)) continue;
    for (const line of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
      for (const key of keysOf(JSON.parse(line)))
        if (!words.has(key)) missing.add(`${relative(logDir, path)}: ${key}`);
    }
  }
  return [...missing];
}

function keysOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [key, ...(FREE.has(key) ? [] : keysOf(item))]);
}

export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}
