import { isFinal } from '../../model/documents.ts';
import { isTurnOver, nextTurn } from '../../system/turns.ts';
import type { TaskFiles, TaskVersions } from '../searched-files.ts';
import { type TaskDocuments, taskRow } from '../task-row.ts';
import { textsOfDocuments, textsOfLine } from '../text/task-texts.ts';
import { forEachWord, normalized } from '../text/text-words.ts';
import type { IndexedTask, IndexedText } from './task-index.ts';

/**
 * Different words of a task. More are those of blobs and of numbers, of which a hostile output can have any number: they are
 * not found.
 */
const WORDS_MAX = 100_000;

/** Different tools of a task. */
const TOOLS_MAX = 1_000;

/** Characters whose words are cut between two looks at the clock. */
const STEP_CHARACTERS = 65_536;

/** Whether the text is to be read. An output of 200 MB that grows is not read for each line. */
type WantsText = (versions: TaskVersions, isOpen: boolean) => boolean;

/** Undefined when the task is not listed: it is missing, or its metadata is damaged. */
export async function readTask(
  files: TaskFiles,
  id: string,
  wantsText: WantsText,
): Promise<IndexedTask | undefined> {
  // Before the files: what changes while they are read makes the version an old one.
  const versions = await files.versions(id);
  const listed = versions && (await files.read(id));
  if (versions === undefined || listed === undefined) return undefined;
  const { metadata } = listed;
  const isOpen = !isFinal(metadata.status) || metadata.settled !== true;
  const documents = await readDocuments(files, id);
  const text = wantsText(versions, isOpen) ? await readText(files, id, documents) : undefined;
  return { row: taskRow(listed, documents), versions, isOpen, text };
}

export async function readDocuments(files: TaskFiles, id: string): Promise<TaskDocuments> {
  const [input, result] = await Promise.all([
    files.readDocument(id, 'input'),
    files.readDocument(id, 'final-result'),
  ]);
  return { input, result };
}

async function readText(files: TaskFiles, id: string, documents: TaskDocuments): Promise<IndexedText> {
  const words = new Set<string>();
  const tools = new Map<string, number>();
  for (const text of textsOfDocuments(id, documents)) await addWords(text, words);
  for await (const lines of files.outputLines(id)) {
    for (const line of lines) {
      const { texts, tool } = textsOfLine(line);
      for (const text of texts) await addWords(text, words);
      if (tool !== undefined && (tools.has(tool) || tools.size < TOOLS_MAX))
        tools.set(tool, (tools.get(tool) ?? 0) + 1);
    }
  }
  return { words, tools };
}

async function addWords(text: string, words: Set<string>): Promise<void> {
  for (let at = 0; at < text.length && words.size < WORDS_MAX; ) {
    const end = stepEnd(text, at);
    forEachWord(normalized(at === 0 && end === text.length ? text : text.slice(at, end)), (word) => {
      if (words.size < WORDS_MAX) words.add(word);
    });
    at = end;
    if (isTurnOver()) await nextTurn();
  }
}

/** Steps end at a space. Where there is none for as long again, the text is a blob, and may be cut anywhere. */
function stepEnd(text: string, at: number): number {
  const least = at + STEP_CHARACTERS;
  if (least >= text.length) return text.length;
  const space = /\s/.exec(text.slice(least, least + STEP_CHARACTERS));
  return Math.min(text.length, least + (space?.index ?? STEP_CHARACTERS));
}
