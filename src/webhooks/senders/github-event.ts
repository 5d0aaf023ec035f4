import { valueAt } from '../payload.ts';
import { malformed } from '../rejection.ts';

/** The objects that the body of an event has, and those that it has not, of the events in which a person writes. */
const SHAPES: readonly (readonly [event: string, has: readonly string[], hasNot: readonly string[]])[] = [
  ['issue_comment', ['issue', 'comment'], ['discussion', 'review']],
  ['pull_request_review_comment', ['pull_request', 'comment'], ['issue', 'discussion', 'review']],
  ['discussion_comment', ['discussion', 'comment'], ['issue', 'pull_request', 'review']],
  ['commit_comment', ['comment'], ['issue', 'pull_request', 'discussion', 'review']],
  ['pull_request_review', ['pull_request', 'review'], ['issue', 'comment', 'discussion']],
  ['issues', ['issue'], ['comment', 'pull_request', 'discussion', 'review']],
  ['pull_request', ['pull_request'], ['issue', 'comment', 'discussion', 'review', 'thread']],
];

/**
 * Throws `RejectedDelivery` when a body is that of another event than `X-GitHub-Event` says, of the events in which a person
 * writes. Bodies without their objects start nothing, whatever their event. The signature does not cover the header: an edit of a comment, sent again as an edit of its issue, would start
 * what the issue asked for long ago, and a comment sent as one of another kind would start a second time.
 */
export function checkEvent(event: string | undefined, payload: unknown): void {
  if (!SHAPES.some(([spoken]) => spoken === event)) return;
  const own = eventOf(payload);
  if (own === undefined || own === event) return;
  throw malformed('event_mismatch', `X-GitHub-Event is ${event}, but the body is that of ${own}`);
}

/** The event of a body, by its objects; undefined for every other event. */
export function eventOf(payload: unknown): string | undefined {
  const has = (name: string): boolean => {
    const value = valueAt(payload, [name]);
    return typeof value === 'object' && value !== null;
  };
  return SHAPES.find(([, some, none]) => some.every(has) && !none.some(has))?.[0];
}
