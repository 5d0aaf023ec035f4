import { isUtf8 } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { verify } from '@octokit/webhooks-methods';
import type { JsonPrimitive } from '../model/json.ts';
import { numberAt, textAt } from './payload.ts';

/** What a GitHub delivery says about itself in its headers; all of it is unverified. */
export interface GithubHeaders {
  readonly deliveryId: string | undefined;
  readonly event: string | undefined;
  readonly signature: string | undefined;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** GitHub's ids are UUIDs; anything longer is not one and would only fill logs. */
const HEADER_CHARS_MAX = 128;

export function readGithubHeaders(headers: Headers): GithubHeaders {
  const read = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'string' && value !== '' ? value.slice(0, HEADER_CHARS_MAX) : undefined;
  };
  return {
    deliveryId: read('x-github-delivery'),
    event: read('x-github-event'),
    signature: read('x-hub-signature-256'),
  };
}

/** Why the signature is not valid, or undefined when it is: HMAC-SHA256 over the body's bytes, compared in constant time. */
export async function checkGithubSignature(
  secret: string,
  body: Buffer,
  signature: string | undefined,
): Promise<string | undefined> {
  if (signature === undefined) return 'missing_signature';
  const hex = /^sha256=([0-9a-f]{64})$/.exec(signature)?.[1];
  if (hex === undefined) return 'malformed_signature';
  const isValid = isText(body)
    ? await verify(secret, body.toString('utf8'), signature)
    : timingSafeEqual(createHmac('sha256', secret).update(body).digest(), Buffer.from(hex, 'hex'));
  return isValid ? undefined : 'wrong_signature';
}

/** What GitHub's library can verify: it signs text that is not empty. Anything else is no payload, signed or not. */
function isText(body: Buffer): boolean {
  return body.length > 0 && isUtf8(body);
}

/** Events in which a person writes something, and where. `path` is where its text stands. */
const SPOKEN: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    'issue_comment.created': ['comment', 'body'],
    'pull_request_review_comment.created': ['comment', 'body'],
    'pull_request_review.submitted': ['review', 'body'],
    'commit_comment.created': ['comment', 'body'],
    'discussion_comment.created': ['comment', 'body'],
    'issues.opened': ['issue', 'body'],
    'pull_request.opened': ['pull_request', 'body'],
  }),
);

/** `issue_comment.created`: the event, and the action where it has one. */
export function githubEventType(event: string | undefined, payload: unknown): string {
  const action = textAt(payload, 'action');
  return action === undefined ? (event ?? 'unknown') : `${event ?? 'unknown'}.${action}`;
}

/** The person's own text, or why there is none to act on. */
export function githubText(eventType: string, payload: unknown): { text: string } | { reason: string } {
  const path = SPOKEN.get(eventType);
  if (path === undefined) return { reason: `event ${eventType} starts nothing` };
  // An agent's own reply may quote a command: without this it would start itself again.
  if (textAt(payload, 'sender', 'type') === 'Bot') return { reason: 'the sender is a bot' };
  const text = textAt(payload, ...path);
  return text === undefined || text.trim() === '' ? { reason: 'there is no text' } : { text };
}

/** What triggered the task, as far as the payload says: the fields of `source_metadata` and of the stage `received`. */
export function githubSource(payload: unknown): Readonly<Record<string, JsonPrimitive | undefined>> {
  return {
    action: textAt(payload, 'action'),
    repo: textAt(payload, 'repository', 'full_name'),
    issue_number:
      numberAt(payload, 'issue', 'number') ??
      numberAt(payload, 'pull_request', 'number') ??
      numberAt(payload, 'discussion', 'number'),
    comment_id: numberAt(payload, 'comment', 'id') ?? numberAt(payload, 'review', 'id'),
    sender: textAt(payload, 'sender', 'login'),
    title:
      textAt(payload, 'issue', 'title') ??
      textAt(payload, 'pull_request', 'title') ??
      textAt(payload, 'discussion', 'title'),
    url:
      textAt(payload, 'comment', 'html_url') ??
      textAt(payload, 'review', 'html_url') ??
      textAt(payload, 'issue', 'html_url') ??
      textAt(payload, 'pull_request', 'html_url'),
  };
}

/** Where a reaction to this event is posted, below the API's base URL; undefined where GitHub takes none. */
export function reactionPath(eventType: string, payload: unknown): string | undefined {
  const repo = textAt(payload, 'repository', 'full_name');
  if (repo === undefined || !/^[\w.-]+\/[\w.-]+$/.test(repo)) return undefined;
  const comment = numberAt(payload, 'comment', 'id');
  const issue = numberAt(payload, 'issue', 'number') ?? numberAt(payload, 'pull_request', 'number');
  switch (eventType) {
    case 'issue_comment.created':
      return comment === undefined ? undefined : `/repos/${repo}/issues/comments/${comment}/reactions`;
    case 'pull_request_review_comment.created':
      return comment === undefined ? undefined : `/repos/${repo}/pulls/comments/${comment}/reactions`;
    case 'commit_comment.created':
      return comment === undefined ? undefined : `/repos/${repo}/comments/${comment}/reactions`;
    case 'issues.opened':
    case 'pull_request.opened':
      return issue === undefined ? undefined : `/repos/${repo}/issues/${issue}/reactions`;
    default:
      return undefined;
  }
}
