import { isFinal } from '../../model/documents.ts';
import type { TaskFiles, TaskVersions } from '../searched-files.ts';
import { type TaskDocuments, taskRow } from '../task-row.ts';
import { textsOfDocuments, textsOfLine } from '../text/task-texts.ts';
import { TaskWords } from '../text/task-words.ts';
import type { IndexedTask, IndexedText } from './task-index.ts';

/** Different tools of a task. */
const TOOLS_MAX = 1_000;

/** When the texts of an open task were read, for how long, and their versions. */
export interface TextRead {
  readonly atMs: number;
  readonly tookMs: number;
  readonly versions: TaskVersions;
  /** Whether the task had ended. */
  readonly isEnded: boolean;
}

/** Whether the text is to be read. An output of 200 MB that grows is not read for each line. */
type WantsText = (versions: TaskVersions, state: TaskState) => boolean;

interface TaskState {
  /** Whether its files may still change. */
  readonly isOpen: boolean;
  readonly isEnded: boolean;
}

/** A task as it is written, and whether it had ended. */
type ReadTask = IndexedTask & Pick<TaskState, 'isEnded'>;

/** Undefined when the task is not listed: it is missing, or its metadata is damaged. */
export async function readTask(
  files: TaskFiles,
  id: string,
  wantsText: WantsText,
): Promise<ReadTask | undefined> {
  // Before the files: what changes while they are read makes the version an old one.
  const versions = await files.versions(id);
  const listed = versions && (await files.read(id));
  if (versions === undefined || listed === undefined) return undefined;
  const { metadata } = listed;
  const isEnded = isFinal(metadata.status);
  const isOpen = !isEnded || metadata.settled !== true;
  const documents = await readDocuments(files, id);
  const text = wantsText(versions, { isOpen, isEnded }) ? await readText(files, id, documents) : undefined;
  return { row: taskRow(listed, documents), versions, isOpen, isEnded, text };
}

export async function readDocuments(files: TaskFiles, id: string): Promise<TaskDocuments> {
  const [input, result] = await Promise.all([
    files.readDocument(id, 'input'),
    files.readDocument(id, 'final-result'),
  ]);
  return { input, result };
}

async function readText(files: TaskFiles, id: string, documents: TaskDocuments): Promise<IndexedText> {
  const words = new TaskWords();
  const tools = new Map<string, number>();
  let waiting = textsOfDocuments(id, documents);
  const addDocuments = async (): Promise<void> => {
    const texts = waiting;
    waiting = [];
    for (const text of texts) await words.add(text);
  };
  // The lines are asked for at once: tasks that are read at the same time share their queries.
  for await (const lines of files.outputLines(id)) {
    await addDocuments();
    for (const line of lines) {
      const { texts, tool } = textsOfLine(line);
      for (const text of texts) await words.add(text);
      if (tool !== undefined && (tools.has(tool) || tools.size < TOOLS_MAX))
        tools.set(tool, (tools.get(tool) ?? 0) + 1);
    }
  }
  await addDocuments();
  return { words: words.text(), tools };
}
