import { unverifiedText } from '../../record/unverified-text.ts';
import { isTrueForm, parseFormOnce } from '../form.ts';
import { deliveryIdOf, readHeader, type WebhookHeaders } from '../headers.ts';
import type { Writing } from '../markup/own-lines.ts';
import { numberAt, parsePayload, textAt, valueAt } from '../payload.ts';
import type { Provider, Said, SourceFields, WebhookEvent, WebhookRequestBody } from '../provider.ts';
import { malformed } from '../rejection.ts';
import { signedBytesName } from '../repeats/signed-bytes.ts';
import { unlessForgotten } from '../repeats/subject.ts';
import { checkHubSignature, secretsOf } from '../signature.ts';
import { checkEvent } from './github-event.ts';
import { sendReaction } from './github-reaction.ts';

export interface GithubOptions {
  /** One, or several while they are rotated. Without one every delivery is answered with 503. */
  readonly secret: string | readonly string[] | undefined;
  /** For the `eyes` reaction. Without one the stage `immediate_response` is `skipped`. */
  readonly token?: string | undefined;
  readonly apiUrl?: string | undefined;
}

/** GitHub's own limit for a payload is 25 MB. */
const BODY_BYTES_MAX = 26_214_400;

export function createGithub(options: GithubOptions | undefined): Provider {
  const secrets = secretsOf('github.secret', options?.secret);
  return {
    name: 'github',
    setting: 'GITHUB_WEBHOOK_SECRET',
    secrets,
    bodyBytesMax: BODY_BYTES_MAX,
    identify,
    verify: ({ headers, body }) => {
      const header = 'X-Hub-Signature-256';
      return checkHubSignature(
        { secrets, body },
        { header, value: readHeader(headers, header.toLowerCase()) },
      );
    },
    read,
    respond: async ({ eventType, payload }) => {
      const { token, apiUrl } = options ?? {};
      return { ...(await sendReaction(reactionPath(eventType, payload), { token, apiUrl })) };
    },
  };
}

function identify(headers: WebhookHeaders): {
  deliveryId: string | undefined;
  eventType: string | undefined;
} {
  const event = readHeader(headers, 'x-github-event');
  return {
    deliveryId: deliveryIdOf(readHeader(headers, 'x-github-delivery')),
    eventType: event === undefined ? undefined : unverifiedText(event),
  };
}

function read({ headers, body, nowMs }: WebhookRequestBody): WebhookEvent {
  const payload = parsePayload(
    // A webhook may be configured to send a form, with the JSON in one field.
    isTrueForm(readHeader(headers, 'content-type'), body) ? payloadField(body) : body,
  );
  const { deliveryId, eventType: event } = identify(headers);
  checkEvent(event, payload);
  const eventType = githubEventType(event, payload);
  const { action, ...source } = githubSource(payload);
  const { repo, issue_number, comment_id } = source;
  return {
    payload,
    deliveryId,
    subject: subjectOf(event, payload) ?? signedBytesName([body]),
    eventType,
    received: { action, repo, issue_number, comment_id },
    source,
    said: unlessForgotten(githubText(eventType, payload), { editedOfMs: transferredOfMs(payload), nowMs }),
  };
}

/** The object with the text, by event. Its ids are unique in the repository and event. */
const SUBJECTS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    issue_comment: 'comment',
    pull_request_review_comment: 'comment',
    pull_request_review: 'review',
    commit_comment: 'comment',
    discussion_comment: 'comment',
    issues: 'issue',
    pull_request: 'pull_request',
  }),
);

/** The same for webhooks of a repository, its organisation and an app, and after a repository is renamed. */
function subjectOf(event: string | undefined, payload: unknown): string | undefined {
  const kind = SUBJECTS.get(event ?? '');
  if (kind === undefined) return undefined;
  // A transferred issue is opened in its new repository with other ids.
  const isTransfer = kind === 'issue' && transferredOfMs(payload) !== undefined;
  const [at, name, inRepository] = isTransfer
    ? [valueAt(payload, ['changes']), 'old_issue', 'old_repository']
    : [payload, kind, 'repository'];
  const id = numberAt(at, name, 'id') ?? numberAt(at, name, 'number');
  const repository = numberAt(at, inRepository, 'id') ?? textAt(at, inRepository, 'full_name');
  return id === undefined || repository === undefined ? undefined : `${event} ${repository} ${id}`;
}

/** The time of an issue that was transferred to this repository; NaN without a time. */
function transferredOfMs(payload: unknown): number | undefined {
  if (valueAt(payload, ['changes', 'old_issue']) === undefined) return undefined;
  return Date.parse(textAt(payload, 'issue', 'created_at') ?? '');
}

function payloadField(body: Buffer): string {
  const form = parseFormOnce(body);
  const field = form.get('payload');
  if (field === null) throw malformed('malformed_form', 'the form has no field "payload"');
  if (form.size > 1) throw malformed('malformed_form', 'the form has more than the field "payload"');
  return field;
}

/** Path of the text, by event in which a person writes one. */
const SPOKEN: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    'issue_comment.created': ['comment', 'body'],
    'pull_request_review_comment.created': ['comment', 'body'],
    'pull_request_review.submitted': ['review', 'body'],
    'commit_comment.created': ['comment', 'body'],
    'discussion_comment.created': ['comment', 'body'],
    'issues.opened': ['issue', 'body'],
    'pull_request.opened': ['pull_request', 'body'],
    'issue_comment.edited': ['comment', 'body'],
    'pull_request_review_comment.edited': ['comment', 'body'],
    'pull_request_review.edited': ['review', 'body'],
    'discussion_comment.edited': ['comment', 'body'],
    'issues.edited': ['issue', 'body'],
    'pull_request.edited': ['pull_request', 'body'],
  }),
);

/** The event with its action, if it has one: `issue_comment.created`. */
function githubEventType(event: string | undefined, payload: unknown): string {
  const action = textAt(payload, 'action');
  return action === undefined ? (event ?? 'unknown') : `${event ?? 'unknown'}.${action}`;
}

/** The person's text, or the reason why the event starts nothing. */
function githubText(eventType: string, payload: unknown): Said | { reason: string } {
  const path = SPOKEN.get(eventType);
  if (path === undefined) return { reason: `event ${eventType} starts nothing` };
  // An agent's own reply may quote a command, and would start the agent again.
  if (textAt(payload, 'sender', 'type') === 'Bot') return { reason: 'the sender is a bot' };
  const text = textAt(payload, ...path);
  if (text === undefined || text.trim() === '') return { reason: 'there is no text' };
  const writing: Writing = { markup: 'markdown', text };
  if (!eventType.endsWith('.edited')) return { text, writing };
  // An edit of the title or the base branch has no text before it.
  if (valueAt(payload, ['changes', 'body']) === undefined) return { reason: 'the text is not new' };
  const former = textAt(payload, 'changes', 'body', 'from') ?? '';
  return { text, writing, former: { markup: 'markdown', text: former } };
}

/** The fields of `source_metadata` that the payload has. The stage `received` has some of them, too. */
function githubSource(payload: unknown): SourceFields {
  return {
    action: textAt(payload, 'action'),
    repo: textAt(payload, 'repository', 'full_name'),
    issue_number:
      numberAt(payload, 'issue', 'number') ??
      numberAt(payload, 'pull_request', 'number') ??
      numberAt(payload, 'discussion', 'number'),
    comment_id: numberAt(payload, 'comment', 'id') ?? numberAt(payload, 'review', 'id'),
    user: textAt(payload, 'sender', 'login'),
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

/** The API path for a reaction to this event; undefined for events that cannot have one. */
function reactionPath(eventType: string | undefined, payload: unknown): string | undefined {
  const repo = textAt(payload, 'repository', 'full_name');
  if (repo === undefined || !/^[\w.-]+\/[\w.-]+$/.test(repo)) return undefined;
  const comment = numberAt(payload, 'comment', 'id');
  const issue = numberAt(payload, 'issue', 'number') ?? numberAt(payload, 'pull_request', 'number');
  switch (eventType?.split('.')[0]) {
    case 'issue_comment':
      return comment === undefined ? undefined : `/repos/${repo}/issues/comments/${comment}/reactions`;
    case 'pull_request_review_comment':
      return comment === undefined ? undefined : `/repos/${repo}/pulls/comments/${comment}/reactions`;
    case 'commit_comment':
      return comment === undefined ? undefined : `/repos/${repo}/comments/${comment}/reactions`;
    case 'issues':
    case 'pull_request':
      return issue === undefined ? undefined : `/repos/${repo}/issues/${issue}/reactions`;
    default:
      return undefined;
  }
}
