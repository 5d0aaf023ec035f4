import type { FileHandle } from 'node:fs/promises';
import type { JsonObject } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import type { StoredWorkflow, UploadState, WorkflowDocument } from '../../model/workflow.ts';
import { waitOf } from '../../project/activity/waiting-approval.ts';
import type { WorkflowFact } from '../../project/change.ts';
import { factOfEnvelope } from '../../project/workflow-envelope.ts';
import { WorkflowFold } from '../../project/workflow-fold.ts';
import { readLines } from '../../system/lines.ts';
import { unreadable } from '../file-errors.ts';
import type { WorkflowFile } from '../layout.ts';
import { isOwnFolder, type NamedFile, openStored, readStoredObject } from '../stored-file.ts';
import { parseEnvelope, parseFact } from '../workflow-fact-line.ts';
import { monthLevels, type WorkflowPlaces, workflowFile } from '../workflow-place.ts';
import { uploadStateOf } from './records/upload-state.ts';

/** Location of a workflow's files: the month's folder and the id. */
export interface WorkflowPlace {
  readonly month: string;
  readonly id: string;
}

type ParseLine = (text: string) => WorkflowFact | undefined;

/** Undefined when the workflow does not exist; `ERR_STORE_UNAVAILABLE` when its files are unreadable. */
export async function readWorkflow(
  places: WorkflowPlaces,
  workflowId: string,
  expectsUploads: boolean,
): Promise<StoredWorkflow | undefined> {
  const workflow = await findWorkflow(places, workflowId, expectsUploads);
  if (workflow !== undefined) return workflow;
  // Its files may have been removed, and a later event may have created it in another month.
  places.forget(workflowId);
  return findWorkflow(places, workflowId, expectsUploads);
}

/** Fold of a workflow's events; undefined when there are none. */
export async function foldWorkflow(place: WorkflowPlace): Promise<WorkflowFold | undefined> {
  const fold = new WorkflowFold(place.id, sha256);
  fold.add((await readFacts(place, 'facts', parseFact)) ?? []);
  // A copy made by hand may lack the facts: the events have most of their content.
  if (fold.isEmpty) fold.add((await readFacts(place, 'events', parseEvent)) ?? []);
  return fold.isEmpty ? undefined : fold;
}

/** Upload state of the document; undefined when it was never uploaded and is not to be. */
export async function readUpload(
  place: WorkflowPlace,
  isExpected: boolean,
): Promise<UploadState | undefined> {
  const uploaded = await readStoredObject(fileOf(place, 'uploaded'));
  if (uploaded === undefined && !isExpected) return undefined;
  return uploadStateOf(uploaded, await readStoredObject(fileOf(place, 'document')));
}

async function findWorkflow(
  places: WorkflowPlaces,
  id: string,
  expectsUploads: boolean,
): Promise<StoredWorkflow | undefined> {
  const month = await places.find(id);
  if (month === undefined) return undefined;
  if (!(await isOwnFolder(month, `the folder of workflow ${id}`, monthLevels(month)))) return undefined;
  // Read before the document, which is written after the event that ends the workflow.
  const fold = await foldWorkflow({ month, id });
  if (fold === undefined) return undefined;
  const { state, envelopes } = fold;
  const file =
    state.completed_at === null ? undefined : await readStoredObject(fileOf({ month, id }, 'document'));
  return {
    state,
    events: envelopes,
    // The document of an earlier attempt is not current.
    document: isDocumentOf(file, id) && file.attempt === state.attempt ? file : undefined,
    upload: await readUpload({ month, id }, expectsUploads),
    waitsFor: waitOf(fold),
  };
}

async function readFacts(
  place: WorkflowPlace,
  file: WorkflowFile,
  parse: ParseLine,
): Promise<WorkflowFact[] | undefined> {
  const named = fileOf(place, file);
  const opened = await openStored(named);
  if (opened === undefined) return undefined;
  try {
    const facts: WorkflowFact[] = [];
    for await (const fact of factsIn(opened.handle, opened.size, parse)) {
      // On a case-insensitive file system the file may belong to another id.
      if (fact.workflow_id === place.id) facts.push(fact);
    }
    return facts;
  } catch (error) {
    throw unreadable(named.what, error);
  } finally {
    await opened.handle.close();
  }
}

async function* factsIn(handle: FileHandle, size: number, parse: ParseLine): AsyncGenerator<WorkflowFact> {
  for await (const batch of readLines(handle, { to: size })) {
    for (const line of batch) {
      const fact = line.bytes && parse(line.bytes.toString('utf8'));
      if (fact !== undefined) yield fact;
    }
  }
}

function parseEvent(text: string): WorkflowFact | undefined {
  const envelope = parseEnvelope(text);
  return envelope && factOfEnvelope(envelope);
}

function fileOf({ month, id }: WorkflowPlace, file: WorkflowFile): NamedFile {
  return { path: workflowFile(month, id, file), what: `a file of workflow ${id}` };
}

/** A damaged document is left out: it is a fold of the events, which are still returned. */
function isDocumentOf(file: JsonObject | undefined, id: string): file is JsonObject & WorkflowDocument {
  return (
    file?.workflow_id === id &&
    ['event_type', 'event_id', 'timestamp'].every((name) => typeof file[name] === 'string') &&
    typeof file.attempt === 'number' &&
    typeof file.revision === 'number' &&
    (file.trace_id === null || typeof file.trace_id === 'string') &&
    Array.isArray(file.events)
  );
}
