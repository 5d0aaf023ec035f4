import { EVENT } from '../model/events.ts';
import { type JsonObject, objectOf } from '../model/json.ts';
import type { Candidate, Wait } from './candidate.ts';
import { BUDGET_NOTICE } from './occasions.ts';

/** Events of workflows that may be told. */
export const TOLD_EVENTS = ['workflow_complete', 'approval_request'] as const;

/** Waits of one task that are looked at: the newest. */
export const WAITS_MAX = 50;

/** Whether the metadata of a task says something to tell beside an end. */
export function isToldBeforeItsEnd({ status, [BUDGET_NOTICE]: notice }: JsonObject): boolean {
  return status === 'waiting_input' || (notice !== undefined && notice !== null);
}

/** A fact that says that its task waits for a person. Undefined for any other fact. */
export function waitIn({ timestamp: at, event_id: eventId, event, body }: JsonObject): Wait | undefined {
  if (event !== EVENT.metadata || objectOf(body).status !== 'waiting_input') return undefined;
  return typeof at === 'string' && typeof eventId === 'string' ? { eventId, at } : undefined;
}

/** The event of a line of the feed, or of an envelope that was just stored. Undefined for one that is not told. */
export function workflowCandidate(envelope: JsonObject): Candidate | undefined {
  const { event_type: type, workflow_id: id, event_id: eventId, attempt, timestamp, payload } = envelope;
  const event = TOLD_EVENTS.find((one) => one === type);
  if (event === undefined || typeof id !== 'string' || typeof eventId !== 'string') return undefined;
  const { status } = objectOf(payload);
  return {
    ...{ kind: 'workflow', id, event, eventId },
    attempt: typeof attempt === 'number' ? attempt : 1,
    at: typeof timestamp === 'string' ? timestamp : '',
    status: event === 'workflow_complete' && typeof status === 'string' ? status : null,
  };
}
