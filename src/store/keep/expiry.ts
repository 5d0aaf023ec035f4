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

/** The longest first: `.trace.jsonl` ends in `.jsonl` as well. */
const SUFFIXES = Object.values(WORKFLOW_FILES).sort((a, b) => b.length - a.length);

/** A task that is over. */
export interface EndedTask {
  readonly endedAt: string;
  /** Whether all that belongs to it is there and in order. */
  readonly isSettled: boolean;
}

/** Undefined for one that is not over, or is none; throws `ERR_STORE_UNAVAILABLE` when that cannot be told. */
export async function endOfTask(logDir: string, taskId: string): Promise<EndedTask | undefined> {
  const metadata = await readTaskDocument(logDir, taskId, 'metadata');
  if (metadata === undefined || !isTerminal(metadata.status)) return undefined;
  const endedAt = readIso(metadata.completed_at);
  if (endedAt === undefined) throw undecided(`task ${taskId} has ended, and its completed_at is no time`);
  return { endedAt, isSettled: metadata.settled === true };
}

/**
 * When a workflow ended that may go: its newest attempt is over, its last event is old enough, and its document says
 * all that its events say. Undefined for any other; throws `ERR_STORE_UNAVAILABLE` when that cannot be told.
 */
export async function endOfWorkflow(place: WorkflowPlace, olderThanMs: number): Promise<string | undefined> {
  const what = `the document of workflow ${place.id}`;
  const document = await readStoredObject({ path: workflowFile(place.month, place.id, 'document'), what });
  const endedAt = readIso(document?.timestamp);
  if (document === undefined || endedAt === undefined) throw undecided(`${what} is damaged`);
  if (Date.parse(endedAt) >= olderThanMs) return undefined;
  const fold = await foldWorkflow(place);
  const known = idsOf(document.events);
  if (fold !== undefined) {
    const last = fold.placed.at(-1)?.fact.timestamp ?? endedAt;
    if (!fold.isOver || Date.parse(last) >= olderThanMs) return undefined;
    // The next revision is yet to be written.
    if (fold.envelopes.some(({ event_id: id }) => !known.has(id))) return undefined;
  }
  return endedAt;
}

/** The names in a month's folder that are a workflow's files, by its id. */
export function filesByWorkflow(names: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>();
  for (const name of names) {
    const suffix = SUFFIXES.find((one) => name.endsWith(one));
    const id = suffix === undefined ? '' : name.slice(0, -suffix.length);
    if (isWorkflowId(id)) files.set(id, [...(files.get(id) ?? []), name]);
  }
  return files;
}

/** Of the events that a document holds. */
function idsOf(events: JsonValue | undefined): ReadonlySet<unknown> {
  const list = Array.isArray(events) ? events : [];
  return new Set(list.map((event) => (isJsonObject(event) ? event.event_id : undefined)));
}

function undecided(message: string): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', message);
}
