import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { parsePage, ROOT, wordsOf } from './markdown.ts';

/** Objects whose fields come from the caller or a vendor, or are specified elsewhere. */
const FREE = new Set([
  ...['attributes', 'tool_input', 'models', 'body', 'artifacts', 'payload'],
  // By command.
  'subject_macs',
]);

/** The text of docs/files.md and all its words in backticks. */
export function readFilesPage(): { readonly text: string; readonly words: ReadonlySet<string> } {
  const page = parsePage('docs/files.md', readFileSync(join(ROOT, 'docs', 'files.md'), 'utf8'));
  return { text: page.text, words: wordsOf(page) };
}

/** The fields in files of a log directory that docs/files.md does not document, one line each. */
export async function undocumentedFields(logDir: string): Promise<readonly string[]> {
  const { words } = readFilesPage();
  const missing = new Set<string>();
  for (const path of filesBelow(logDir)) {
    // Spans are OTLP, the key is no JSON. The journal and the directories of agent runs are internal.
    if (
      /(?:trace\.jsonl|_index\.sqlite.*)$/.test(basename(path)) ||
      /\/_(?:(?:journal|agent)\/|key$)/.test(path)
    )
      continue;
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
  return Object.entries(value).flatMap(([key, item]) => [
    // Objects by path have no names of fields.
    ...(key.startsWith('/') ? [] : [key]),
    ...(FREE.has(key) ? [] : keysOf(item)),
  ]);
}

export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}
