import { isDeepStrictEqual } from 'node:util';
import { TasktrailError } from '../errors.ts';
import type { WorkflowDocument, WorkflowEnvelope } from '../model/workflow.ts';
import { documentOf } from '../project/workflow-document.ts';

/**
 * The union of what is here and what is in S3: each event once, never fewer than there, and the rest as those events
 * say. Returns `remote` itself when it has all that there is to say. What differs from `remote` has a later revision.
 */
export function mergeDocuments(local: WorkflowDocument, remote: WorkflowDocument): WorkflowDocument {
  const union = unionOf(local, remote);
  // Repeats that say something else may be known to one side only, or show now.
  const disagrees = [local, remote, union].some(repeatsDisagree);
  const base = baseOf(union, { local, remote });
  const merged = disagrees ? { ...base, completeness: { ...base.completeness, disagrees } } : base;
  if (isSame(merged, remote)) return remote;
  // A revision is never two different things, here or there.
  if (isSame(merged, local)) return { ...local, revision: Math.max(local.revision, remote.revision + 1) };
  return { ...merged, revision: Math.max(local.revision, remote.revision) + 1 };
}

/** The one of both that has all events already; made anew only when none has. */
function unionOf(local: WorkflowDocument, remote: WorkflowDocument): WorkflowDocument {
  const isThere = hasAll(remote, local);
  const isHere = hasAll(local, remote);
  // The same events: what another version of this program makes of them is no reason to change it.
  if (isThere && isHere) return local.revision > remote.revision ? local : remote;
  if (isThere) return remote;
  if (isHere) return local;
  const union = foldOf(eventsOf(local, remote, knowsMore));
  if (union.events.length >= remote.events.length) return union;
  // Each side counted attempts without the other's events, and two starts ended up as the same one.
  return foldOf(eventsOf(local, remote, () => false));
}

/** What is missing by its id is there as the event that it repeats. */
function baseOf(
  union: WorkflowDocument,
  { local, remote }: { readonly local: WorkflowDocument; readonly remote: WorkflowDocument },
): WorkflowDocument {
  if (union === local) return local;
  if (isDeepStrictEqual(union.events, remote.events)) return remote;
  return isDeepStrictEqual(union.events, local.events) ? local : union;
}

/** Whether every event of `part` is in `whole`, counted with at least as much knowledge. */
function hasAll(whole: WorkflowDocument, part: WorkflowDocument): boolean {
  const attempts = new Map(whole.events.map(({ event_id, attempt }) => [event_id, attempt]));
  return part.events.every(({ event_id, attempt }) => (attempts.get(event_id) ?? 0) >= attempt);
}

/** All events by id; of one that both have, the remote's, unless the local one is `better`. */
function eventsOf(
  local: WorkflowDocument,
  remote: WorkflowDocument,
  better: (local: WorkflowEnvelope, remote: WorkflowEnvelope) => boolean,
): ReadonlyMap<string, WorkflowEnvelope> {
  const events = new Map(remote.events.map((event) => [event.event_id, event]));
  for (const event of local.events) {
    const other = events.get(event.event_id);
    if (other === undefined || better(event, other)) events.set(event.event_id, event);
  }
  return events;
}

/** Whoever counts more attempts has seen events that the other has not. */
function knowsMore(local: WorkflowEnvelope, remote: WorkflowEnvelope): boolean {
  return local.attempt > remote.attempt;
}

function foldOf(events: ReadonlyMap<string, WorkflowEnvelope>): WorkflowDocument {
  const document = documentOf([...events.values()], { revision: 0, disagrees: false });
  if (document === undefined) {
    throw new TasktrailError('ERR_UNEXPECTED', 'a workflow document holds no workflow_complete event');
  }
  // As they came, with fields that this version does not know.
  return { ...document, events: document.events.map((event) => events.get(event.event_id) ?? event) };
}

/** The flag has two causes: a repeat that says something else, which stays true, and a wrong count, which may not. */
function repeatsDisagree(document: WorkflowDocument): boolean {
  if (!document.completeness.disagrees) return false;
  const own = documentOf(document.events, { revision: document.revision, disagrees: false });
  return own?.completeness.disagrees === false;
}

function isSame(one: WorkflowDocument, other: WorkflowDocument): boolean {
  return isDeepStrictEqual({ ...one, revision: 0 }, { ...other, revision: 0 });
}
