import { unverifiedText } from '../../record/unverified-text.ts';
import { deliveryIdOf, readHeader, type WebhookHeaders } from '../headers.ts';
import { parsePayload, textAt, valueAt, type WebhookPayload } from '../payload.ts';
import type { Provider, Said, SourceFields, WebhookEvent, WebhookRequestBody } from '../provider.ts';
import { signedBytesName } from '../repeats/signed-bytes.ts';
import { unlessForgotten } from '../repeats/subject.ts';
import { checkHubSignature, secretsOf } from '../signature.ts';
import { textOfAtlassianDocument } from './atlassian-text.ts';

export interface JiraOptions {
  /** The secret of the webhook in Jira Cloud; several while they are rotated. */
  readonly secret: string | readonly string[] | undefined;
}

/** Jira documents no limit. An issue with a long history and all its fields is smaller than GitHub's limit. */
const BODY_BYTES_MAX = 26_214_400;

export function createJira(options: JiraOptions | undefined): Provider {
  const secrets = secretsOf('jira.secret', options?.secret);
  return {
    name: 'jira',
    setting: 'JIRA_WEBHOOK_SECRET',
    secrets,
    bodyBytesMax: BODY_BYTES_MAX,
    identify: (headers) => ({ deliveryId: identifierOf(headers) }),
    verify: ({ headers, body }) => {
      const header = 'X-Hub-Signature';
      return checkHubSignature(
        { secrets, body },
        { header, value: readHeader(headers, header.toLowerCase()) },
      );
    },
    read,
  };
}

/** The same for every retry of a delivery. */
function identifierOf(headers: WebhookHeaders): string | undefined {
  return deliveryIdOf(readHeader(headers, 'x-atlassian-webhook-identifier'));
}

function read({ headers, body, nowMs }: WebhookRequestBody): WebhookEvent {
  const payload = parsePayload(body);
  const event = textAt(payload, 'webhookEvent');
  const eventType = event === undefined ? 'unknown' : unverifiedText(event);
  const source = sourceOf(payload);
  const { issue_key, comment_id } = source;
  return {
    payload,
    deliveryId: identifierOf(headers),
    subject: subjectOf(eventType, payload) ?? signedBytesName([body]),
    eventType,
    received: { action: textAt(payload, 'issue_event_type_name'), issue_key, comment_id },
    source,
    said: unlessForgotten(saidIn(eventType, payload), {
      editedOfMs: isEditedComment(eventType, payload) ? createdMs(payload) : undefined,
      nowMs,
    }),
  };
}

/**
 * A comment is sent as `comment_created` and, to a webhook with both events, as an update of its issue. Ids are unique in
 * a site, whose address each resource has in front of `/rest/`.
 */
function subjectOf(eventType: string, payload: WebhookPayload): string | undefined {
  const isComment = isNewComment(eventType, payload) || isEditedComment(eventType, payload);
  const kind = isComment ? 'comment' : 'issue';
  const id = textAt(payload, kind, 'id') ?? textAt(payload, kind, 'key');
  const self = textAt(payload, kind, 'self');
  if (id === undefined) return self && `${kind} ${self}`;
  const site = (self ?? textAt(payload, 'issue', 'self'))?.split('/rest/')[0] ?? '';
  return `${kind} ${site} ${id}`;
}

function isEditedComment(eventType: string, payload: WebhookPayload): boolean {
  if (eventType === 'comment_updated') return true;
  const kind = textAt(payload, 'issue_event_type_name');
  return eventType === 'jira:issue_updated' && kind === 'issue_comment_edited';
}

/** NaN without a time. */
function createdMs(payload: WebhookPayload): number {
  return Date.parse(textAt(payload, 'comment', 'created') ?? '');
}

function isNewComment(eventType: string, payload: WebhookPayload): boolean {
  if (eventType === 'comment_created') return true;
  // An update may hold an older comment, which was edited or deleted.
  const kind = textAt(payload, 'issue_event_type_name');
  const isOld = kind === 'issue_comment_edited' || kind === 'issue_comment_deleted';
  return eventType === 'jira:issue_updated' && !isOld && valueAt(payload, ['comment']) !== undefined;
}

function saidIn(eventType: string, payload: WebhookPayload): Said | { reason: string } {
  if (isNewComment(eventType, payload) || isEditedComment(eventType, payload)) {
    return saidBy(valueAt(payload, ['comment', 'author']), valueAt(payload, ['comment', 'body']));
  }
  const author = valueAt(payload, ['user']);
  const description = valueAt(payload, ['issue', 'fields', 'description']);
  if (eventType === 'jira:issue_created') return saidBy(author, description);
  if (eventType !== 'jira:issue_updated') return { reason: `event ${eventType} starts nothing` };
  const change = changeOf(payload, 'description');
  if (change === undefined) return { reason: 'neither a comment nor the description is new' };
  const said = saidBy(author, description ?? textAt(change, 'toString'));
  if ('reason' in said) return said;
  return { ...said, former: { markup: 'jira', text: textAt(change, 'fromString') ?? '' } };
}

/** The text is in Jira's wiki markup, or an Atlassian Document. */
function saidBy(author: unknown, written: unknown): Said | { reason: string } {
  // An agent's own reply may quote a command, and would start the agent again.
  if (textAt(author, 'accountType') === 'app') return { reason: 'the author is an app' };
  const isDocument = typeof written === 'object' && written !== null;
  const text = isDocument ? textOfAtlassianDocument(written) : written;
  if (typeof text !== 'string' || text.trim() === '') return { reason: 'there is no text' };
  return {
    text,
    writing: isDocument ? { markup: 'atlassian-document', document: written } : { markup: 'jira', text },
  };
}

function changeOf(payload: WebhookPayload, field: string): unknown {
  const items = valueAt(payload, ['changelog', 'items']);
  return Array.isArray(items) ? items.find((item) => textAt(item, 'field') === field) : undefined;
}

function sourceOf(payload: WebhookPayload): SourceFields {
  const issueKey = textAt(payload, 'issue', 'key');
  return {
    issue_key: issueKey,
    project:
      textAt(payload, 'issue', 'fields', 'project', 'key') ?? issueKey?.slice(0, issueKey.lastIndexOf('-')),
    comment_id: textAt(payload, 'comment', 'id'),
    user:
      textAt(payload, 'comment', 'author', 'displayName') ??
      textAt(payload, 'user', 'displayName') ??
      textAt(payload, 'user', 'name'),
    account_id: textAt(payload, 'comment', 'author', 'accountId') ?? textAt(payload, 'user', 'accountId'),
    title: textAt(payload, 'issue', 'fields', 'summary'),
    url: browseUrl(textAt(payload, 'issue', 'self'), issueKey),
  };
}

/** `https://acme.atlassian.net/rest/api/2/issue/1` -> `https://acme.atlassian.net/browse/APP-1`. */
function browseUrl(self: string | undefined, issueKey: string | undefined): string | undefined {
  if (self === undefined || issueKey === undefined || !URL.canParse(self)) return undefined;
  const { protocol, origin } = new URL(self);
  return /^https?:$/.test(protocol) ? `${origin}/browse/${encodeURIComponent(issueKey)}` : undefined;
}
