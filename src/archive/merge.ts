import { isDeepStrictEqual } from 'node:util';
import { TasktrailError } from '../errors.ts';
import { compareMarks } from '../model/sender.ts';
import type { WorkflowDocument, WorkflowEnvelope } from '../model/workflow.ts';
import { documentOf } from '../project/workflow-document.ts';

/**
 * Merges the local document with the one in S3: the union of their events, never fewer than in `remote`, and the
 * fields that follow from them. Of an event on both sides the one whose sender has more rights is used. Events of anonymous
 * senders are left out where another sender has opened the workflow. Returns `remote` itself when it is complete already. A result that differs from
 * `remote` has a higher revision.
 */
export function mergeDocuments(local: WorkflowDocument, remote: WorkflowDocument): WorkflowDocument {
  const union = unionOf(local, remote);
  // A contradicting repeat may be known to one side only, or show only in the union.
  const disagrees = [local, remote, union].some(repeatsDisagree);
  const base = baseOf(union, { local, remote });
  const merged = disagrees ? { ...base, completeness: { ...base.completeness, disagrees } } : base;
  if (isSameContent(merged, remote)) return remote;
  // A revision number is never used for two different documents.
  if (isSameContent(merged, local))
    return { ...local, revision: Math.max(local.revision, remote.revision + 1) };
  return { ...merged, revision: Math.max(local.revision, remote.revision) + 1 };
}

/** The document that has all events already; built from the events when neither has. */
function unionOf(local: WorkflowDocument, remote: WorkflowDocument): WorkflowDocument {
  const remoteHasAll = hasAll(remote, local);
  const localHasAll = hasAll(local, remote);
  // The same events. A difference in how another version of this program folds them is no reason for a new revision.
  if (remoteHasAll && localHasAll) return local.revision > remote.revision ? local : remote;
  if (remoteHasAll) return remote;
  if (localHasAll) return local;
  const union = foldOf(eventsOf(local, remote, isBetter));
  if (union.events.length >= remote.events.length) return union;
  // Each side counted attempts without the other's events, and two starts became the same event.
  return foldOf(eventsOf(local, remote, hasMoreRights));
}

/** Prefers an existing document with the same events: an id that is missing there belongs to a repeat. */
function baseOf(
  union: WorkflowDocument,
  { local, remote }: { readonly local: WorkflowDocument; readonly remote: WorkflowDocument },
): WorkflowDocument {
  if (union === local) return local;
  if (isDeepStrictEqual(union.events, remote.events)) return remote;
  return isDeepStrictEqual(union.events, local.events) ? local : union;
}

/** Whether `whole` has every event of `part`, by a sender with at least the same rights and with at least the same attempt. */
function hasAll(whole: WorkflowDocument, part: WorkflowDocument): boolean {
  const events = new Map(whole.events.map((event) => [event.event_id, event]));
  return part.events.every((event) => {
    const other = events.get(event.event_id);
    return other !== undefined && !isBetter(event, other);
  });
}

/** All events by id. For an event on both sides the remote one is used, unless the local one is `better`. */
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

/** A higher attempt follows from events that the other side has not seen. */
function isBetter(one: WorkflowEnvelope, other: WorkflowEnvelope): boolean {
  return hasMoreRights(one, other) || (!hasMoreRights(other, one) && one.attempt > other.attempt);
}

/** A copy of an event may have been uploaded before its own record came. */
function hasMoreRights(one: WorkflowEnvelope, other: WorkflowEnvelope): boolean {
  return compareMarks(one.sender, other.sender) < 0;
}

function foldOf(events: ReadonlyMap<string, WorkflowEnvelope>): WorkflowDocument {
  const document = documentOf([...events.values()], { revision: 0, disagrees: false });
  if (document === undefined) {
    throw new TasktrailError('ERR_UNEXPECTED', 'a workflow document holds no workflow_complete event');
  }
  // Original events, including fields that this version does not know.
  return { ...document, events: document.events.map((event) => events.get(event.event_id) ?? event) };
}

/**
 * `disagrees` has two causes: a contradicting repeat, which stays true, and a wrong count, which a merge may repair.
 * True for the first.
 */
function repeatsDisagree(document: WorkflowDocument): boolean {
  if (!document.completeness.disagrees) return false;
  const own = documentOf(document.events, { revision: document.revision, disagrees: false });
  return own?.completeness.disagrees === false;
}

function isSameContent(one: WorkflowDocument, other: WorkflowDocument): boolean {
  return isDeepStrictEqual({ ...one, revision: 0 }, { ...other, revision: 0 });
}
