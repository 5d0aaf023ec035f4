import { TasktrailError } from '../../errors.ts';
import { isTerminal } from '../../model/documents.ts';
import { isWorkflowId } from '../../model/ids.ts';
import { isJsonObject, type JsonValue } from '../../model/json.ts';
import { isoFromMs, readIso } from '../../model/time.ts';
import { taskFile, WORKFLOW_FILES } from '../layout.ts';
import { foldWorkflow, type WorkflowPlace } from '../read/workflow-reader.ts';
import { lstatStored, readStoredObject } from '../stored-file.ts';
import { readTaskDocument } from '../task-file.ts';
import { workflowFile } from '../workflow-place.ts';

export const DAY_MS = 86_400_000;

/** Longest first, because `.trace.jsonl` ends in `.jsonl` too. */
const SUFFIXES = Object.values(WORKFLOW_FILES).sort((a, b) => b.length - a.length);

/** A task that has ended. */
export interface EndedTask {
  readonly endedAt: string;
  /** Whether its files are complete and in order. */
  readonly isSettled: boolean;
}

/**
 * When the holder stored the end of a task: what the task says about its end decides nothing. For a task of an older version
 * the time of its files. Undefined for a task that has not ended or has no metadata; throws `ERR_STORE_UNAVAILABLE` when its
 * end cannot be determined.
 */
export async function endOfTask(logDir: string, taskId: string): Promise<EndedTask | undefined> {
  const metadata = await readTaskDocument(logDir, taskId, 'metadata');
  if (metadata === undefined || !isTerminal(metadata.status)) return undefined;
  const endedAt = readIso(metadata.end_received_at) ?? (await fileTimeOf(logDir, taskId));
  return { endedAt, isSettled: metadata.settled === true };
}

async function fileTimeOf(logDir: string, taskId: string): Promise<string> {
  const what = `task ${taskId}`;
  for (const file of ['finalResult', 'metadata'] as const) {
    const stats = await lstatStored({ path: taskFile(logDir, taskId, file), what });
    if (stats !== undefined) return isoFromMs(stats.mtimeMs);
  }
  throw undecided(`${what} has ended, and its files cannot be found`);
}

/**
 * End of a workflow that may be removed: its newest attempt has ended, its last event was stored before `olderThanMs`, and its
 * document contains all events. Undefined for any other; throws `ERR_STORE_UNAVAILABLE` when that cannot be determined. The
 * times of events decide nothing: their senders choose them.
 */
export async function endOfWorkflow(place: WorkflowPlace, olderThanMs: number): Promise<string | undefined> {
  const what = `the document of workflow ${place.id}`;
  const document = await readStoredObject({ path: workflowFile(place.month, place.id, 'document'), what });
  if (document === undefined || readIso(document.timestamp) === undefined)
    throw undecided(`${what} is damaged`);
  const storedMs = await storedMsOf(place);
  if (storedMs >= olderThanMs) return undefined;
  const fold = await foldWorkflow(place);
  const documentIds = idsOf(document.events);
  if (fold !== undefined) {
    if (!fold.isOver) return undefined;
    // The document's next revision is not written yet.
    if (fold.envelopes.some(({ event_id: id }) => !documentIds.has(id))) return undefined;
  }
  return isoFromMs(storedMs);
}

/** The facts are only appended to, so the time of their file is that of the last event. */
async function storedMsOf({ month, id }: WorkflowPlace): Promise<number> {
  const what = `workflow ${id}`;
  for (const file of ['facts', 'document'] as const) {
    const stats = await lstatStored({ path: workflowFile(month, id, file), what });
    if (stats !== undefined) return stats.mtimeMs;
  }
  throw undecided(`the files of ${what} cannot be found`);
}

/** Groups the file names of a month's folder by workflow id. */
export function filesByWorkflow(names: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>();
  for (const name of names) {
    const suffix = SUFFIXES.find((ending) => name.endsWith(ending));
    const id = suffix === undefined ? '' : name.slice(0, -suffix.length);
    if (isWorkflowId(id)) files.set(id, [...(files.get(id) ?? []), name]);
  }
  return files;
}

/** Ids of the events in a document. */
function idsOf(events: JsonValue | undefined): ReadonlySet<unknown> {
  const list = Array.isArray(events) ? events : [];
  return new Set(list.map((event) => (isJsonObject(event) ? event.event_id : undefined)));
}

function undecided(message: string): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', message);
}
