import { TasktrailError } from '../../errors.ts';
import { isTerminal } from '../../model/documents.ts';
import { isWorkflowId } from '../../model/ids.ts';
import { isJsonObject, type JsonValue } from '../../model/json.ts';
import { readIso } from '../../model/time.ts';
import { WORKFLOW_FILES } from '../layout.ts';
import { foldWorkflow, type WorkflowPlace } from '../read/workflow-reader.ts';
import { readStoredObject } from '../stored-file.ts';
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
 * Undefined for a task that has not ended or has no metadata; throws `ERR_STORE_UNAVAILABLE` when its end cannot be
 * determined.
 */
export async function endOfTask(logDir: string, taskId: string): Promise<EndedTask | undefined> {
  const metadata = await readTaskDocument(logDir, taskId, 'metadata');
  if (metadata === undefined || !isTerminal(metadata.status)) return undefined;
  const endedAt = readIso(metadata.completed_at);
  if (endedAt === undefined)
    throw undecided(`task ${taskId} has ended, and its completed_at is not a valid time`);
  return { endedAt, isSettled: metadata.settled === true };
}

/**
 * End of a workflow that may be removed: its newest attempt has ended, its last event is older than `olderThanMs`,
 * and its document contains all events. Undefined for any other; throws `ERR_STORE_UNAVAILABLE` when that cannot be
 * determined.
 */
export async function endOfWorkflow(place: WorkflowPlace, olderThanMs: number): Promise<string | undefined> {
  const what = `the document of workflow ${place.id}`;
  const document = await readStoredObject({ path: workflowFile(place.month, place.id, 'document'), what });
  const endedAt = readIso(document?.timestamp);
  if (document === undefined || endedAt === undefined) throw undecided(`${what} is damaged`);
  if (Date.parse(endedAt) >= olderThanMs) return undefined;
  const fold = await foldWorkflow(place);
  const documentIds = idsOf(document.events);
  if (fold !== undefined) {
    const last = fold.placed.at(-1)?.fact.timestamp ?? endedAt;
    if (!fold.isOver || Date.parse(last) >= olderThanMs) return undefined;
    // The document's next revision is not written yet.
    if (fold.envelopes.some(({ event_id: id }) => !documentIds.has(id))) return undefined;
  }
  return endedAt;
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
