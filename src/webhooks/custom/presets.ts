import type { WebhookPreset } from '../../model/webhook-presets.ts';
import type { ReadingOptions, SchemeOptions } from './sender-options.ts';

/** A scheme of a preset. */
export interface PresetScheme extends SchemeOptions {
  /** The scheme of the secrets that begin with it. A scheme without it has all other secrets. */
  readonly secretPrefix?: string;
}

/** A vendor's webhooks as its documentation describes them. */
export interface Preset {
  readonly schemes: readonly PresetScheme[];
  readonly reading: ReadingOptions;
}

/** https://github.com/standard-webhooks/standard-webhooks, "Signature scheme" */
function standardSchemes(name: string): readonly PresetScheme[] {
  const symmetric: SchemeOptions = {
    header: `${name}-signature`,
    algorithm: 'sha256',
    encoding: 'base64',
    prefix: 'v1,',
    separator: ' ',
    signed: `{header:${name}-id}.{timestamp}.{body}`,
    timestampHeader: `${name}-timestamp`,
    secretEncoding: 'base64',
  };
  return [symmetric, { ...symmetric, algorithm: 'ed25519', prefix: 'v1a,', secretPrefix: 'whpk_' }];
}

const STANDARD_READING: ReadingOptions = {
  eventType: 'type',
  message: ['data.text', 'data.message', 'data.body', 'data.description'],
};

/** https://docs.gitlab.com/user/project/integrations/webhooks/: a signing token (`whsec_`) or a secret token. */
const GITLAB: Preset = {
  schemes: [
    ...standardSchemes('webhook')
      .slice(0, 1)
      .map((scheme) => ({ ...scheme, secretPrefix: 'whsec_' })),
    { header: 'X-Gitlab-Token', algorithm: 'token' },
  ],
  reading: {
    // Older versions send no action with a comment.
    eventType: ['object_kind', 'object_attributes.action'],
    only: { event: ['note', 'note.create', 'issue.open', 'merge_request.open'] },
    message: ['object_attributes.note', 'object_attributes.description'],
    action: 'object_attributes.action',
    author: 'user.username',
    // Users of project and group access tokens. A system note reports a change.
    ignore: {
      author: ['project_*_bot*', 'group_*_bot*'],
      'object_attributes.system': [true],
    },
    deliveryIdHeader: 'X-Gitlab-Event-UUID',
    identity: ['object_kind', 'object_attributes.id'],
    sourceMetadata: {
      repo: 'project.path_with_namespace',
      issue_number: 'issue.iid',
      merge_request: 'merge_request.iid',
      user: 'user.username',
      url: 'object_attributes.url',
    },
  },
};

/** https://linear.app/developers/webhooks */
const LINEAR: Preset = {
  schemes: [{ header: 'Linear-Signature', timestamp: 'webhookTimestamp', toleranceSeconds: 60 }],
  reading: {
    eventType: ['type', 'action'],
    only: { event: ['Comment.create', 'Issue.create'] },
    message: ['data.body', 'data.description'],
    action: 'action',
    author: ['actor.name', 'data.user.name'],
    bot: 'actor.type',
    ignore: { bot: ['OauthClient', 'Integration', 'app'] },
    deliveryIdHeader: 'Linear-Delivery',
    identity: ['type', 'data.id'],
    sourceMetadata: { issue_key: 'data.issue.identifier', user: 'actor.name', url: 'url' },
  },
};

/** https://docs.sentry.io/organization/integrations/integration-platform/webhooks/. Its time is not signed. */
const SENTRY: Preset = {
  schemes: [{ header: 'Sentry-Hook-Signature' }],
  reading: {
    eventTypeHeader: 'Sentry-Hook-Resource',
    only: { event: ['comment'], action: ['created'] },
    message: 'data.comment',
    action: 'action',
    author: 'actor.name',
    bot: 'actor.type',
    ignore: { bot: ['application', 'sentry'] },
    deliveryIdHeader: 'Request-ID',
    identity: 'data.comment_id',
    sourceMetadata: { project: 'data.project_slug', issue_id: 'data.issue_id', user: 'actor.name' },
  },
};

/** https://docs.stripe.com/webhooks/signature */
const STRIPE: Preset = {
  schemes: [
    {
      header: 'Stripe-Signature',
      prefix: 'v1=',
      separator: ',',
      timestampPrefix: 't=',
      signed: '{timestamp}.{body}',
    },
  ],
  reading: {
    eventType: 'type',
    // Most events have no text of a person: a fixed command starts with their type as its message.
    message: ['data.object.description', 'type'],
    markup: 'text',
    deliveryId: 'id',
    sourceMetadata: { object_id: 'data.object.id', object: 'data.object.object' },
  },
};

/** https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/, and Bitbucket Data Center. */
const BITBUCKET: Preset = {
  schemes: [{ header: 'X-Hub-Signature', prefix: 'sha256=' }],
  reading: {
    // Data Center names the event in its body, too, where it is signed.
    eventType: 'eventKey',
    eventTypeHeader: 'X-Event-Key',
    only: {
      event: [
        'pullrequest:comment_created',
        'repo:commit_comment_created',
        'issue:comment_created',
        'pr:comment:added',
        'repo:comment:added',
      ],
    },
    message: ['comment.content.raw', 'comment.text'],
    author: ['actor.nickname', 'actor.name', 'actor.display_name'],
    bot: 'actor.type',
    // The header is not signed: the body of a removed comment could be sent again as that of a new one.
    ignore: { bot: ['app_user', 'AppUser', 'SERVICE'], 'comment.deleted': [true] },
    deliveryIdHeader: ['X-Request-UUID', 'X-Request-Id'],
    identity: 'comment.id',
    sourceMetadata: {
      repo: 'repository.full_name',
      pull_request: 'pullrequest.id',
      user: 'actor.display_name',
      url: 'comment.links.html.href',
    },
  },
};

/** https://docs.gitea.com/usage/repository/webhooks. Forgejo sends the same headers. */
const GITEA: Preset = {
  schemes: [{ header: 'X-Gitea-Signature' }],
  reading: {
    eventTypeHeader: 'X-Gitea-Event',
    only: {
      event: ['issue_comment', 'pull_request_comment', 'issues', 'pull_request', 'pull_request_review_*'],
      action: ['created', 'opened', 'reviewed'],
    },
    message: ['comment.body', 'review.content', 'issue.body', 'pull_request.body'],
    action: 'action',
    author: ['sender.login', 'sender.username'],
    ignore: { author: ['gitea-actions', 'forgejo-actions'] },
    deliveryIdHeader: 'X-Gitea-Delivery',
    identity: 'comment.html_url',
    sourceMetadata: {
      repo: 'repository.full_name',
      issue_number: 'issue.number',
      user: 'sender.login',
      url: 'comment.html_url',
    },
  },
};

/** https://learn.microsoft.com/azure/devops/service-hooks/services/webhooks and .../service-hooks/events */
const AZURE_DEVOPS: Preset = {
  schemes: [{ header: 'Authorization', algorithm: 'basic' }],
  reading: {
    eventType: 'eventType',
    only: { event: ['ms.vss-code.git-pullrequest-comment-event', 'workitem.commented'] },
    message: ['resource.comment.content', 'resource.fields.System\\.History'],
    author: ['resource.comment.author.uniqueName', 'resource.fields.System\\.ChangedBy'],
    ignore: { 'resource.comment.isDeleted': [true], 'resource.comment.commentType': ['system'] },
    deliveryId: 'id',
    identity: 'resource.comment._links.self.href',
    sourceMetadata: {
      repo: 'resource.pullRequest.repository.name',
      pull_request: 'resource.pullRequest.pullRequestId',
      work_item: 'resource.workItemId',
      user: 'resource.comment.author.displayName',
    },
  },
};

/** https://developer.pagerduty.com/docs/webhooks/v3-overview/. While its secret is rotated there are two signatures. */
const PAGERDUTY: Preset = {
  schemes: [{ header: 'X-PagerDuty-Signature', prefix: 'v1=', separator: ',' }],
  reading: {
    eventType: 'event.event_type',
    only: { event: ['incident.annotated'], bot: ['user_reference'] },
    message: ['event.data.content', 'event.data.title'],
    markup: 'text',
    author: 'event.agent.summary',
    bot: 'event.agent.type',
    deliveryId: 'event.id',
    identity: 'event.data.id',
    sourceMetadata: {
      incident: 'event.data.incident.id',
      user: 'event.agent.summary',
      url: 'event.data.incident.html_url',
    },
  },
};

/** https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/. Only 200 counts as received. */
const TRELLO: Preset = {
  schemes: [{ header: 'X-Trello-Webhook', algorithm: 'sha1', encoding: 'base64', signed: '{body}{url}' }],
  reading: {
    eventType: 'action.type',
    only: { event: ['commentCard'] },
    message: 'action.data.text',
    author: 'action.memberCreator.username',
    deliveryId: 'action.id',
    identity: 'action.id',
    handshake: { methods: ['HEAD'] },
    answer: { message: '{words}' },
    sourceMetadata: {
      card: 'action.data.card.shortLink',
      board: 'action.data.board.shortLink',
      user: 'action.memberCreator.username',
      title: 'action.data.card.name',
    },
  },
};

/** https://docs.discord.com/developers/interactions/receiving-and-responding: a slash command with one text option. */
const DISCORD: Preset = {
  schemes: [
    {
      header: 'X-Signature-Ed25519',
      algorithm: 'ed25519',
      signed: '{timestamp}{body}',
      timestampHeader: 'X-Signature-Timestamp',
    },
  ],
  reading: {
    eventType: 'type',
    // APPLICATION_COMMAND; a PING is 1 and answered with 1.
    only: { event: [2] },
    message: ['data.options.0.value', 'data.options.0.name'],
    isCommandText: true,
    author: ['member.user.username', 'user.username'],
    bot: ['member.user.bot', 'user.bot'],
    ignore: { bot: [true] },
    deliveryId: 'id',
    identity: 'id',
    handshake: { when: { type: [1] }, answer: { type: 1 } },
    // CHANNEL_MESSAGE_WITH_SOURCE, shown to its user only.
    answer: { type: 4, data: { content: '{words}', flags: 64 } },
    sourceMetadata: { channel: 'channel_id', guild: 'guild_id', user: 'member.user.username' },
  },
};

/** https://developer.zendesk.com/documentation/webhooks/verifying/ */
const ZENDESK: Preset = {
  schemes: [
    {
      header: 'X-Zendesk-Webhook-Signature',
      encoding: 'base64',
      signed: '{timestamp}{body}',
      timestampHeader: 'X-Zendesk-Webhook-Signature-Timestamp',
    },
  ],
  reading: {
    eventType: 'type',
    only: { event: ['zen:event-type:ticket.comment_added'] },
    message: 'event.comment.body',
    markup: 'text',
    author: ['event.comment.author.name', 'event.actor.name'],
    deliveryId: 'id',
    identity: 'event.comment.id',
    sourceMetadata: { ticket: 'detail.id', title: 'detail.subject', user: 'event.comment.author.name' },
  },
};

/** https://developers.mattermost.com/integrate/webhooks/outgoing/: JSON or a form. */
const MATTERMOST: Preset = {
  schemes: [{ signature: 'token', algorithm: 'token' }],
  reading: {
    message: 'text',
    author: 'user_name',
    deliveryId: 'post_id',
    identity: 'post_id',
    sourceMetadata: { channel: 'channel_name', team: 'team_domain', user: 'user_name' },
  },
};

/** https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook */
const TEAMS: Preset = {
  schemes: [{ header: 'Authorization', encoding: 'base64', prefix: 'HMAC ', secretEncoding: 'base64' }],
  reading: {
    eventType: 'type',
    only: { event: ['message'] },
    message: 'text',
    markup: 'html',
    author: 'from.name',
    deliveryId: 'id',
    identity: ['conversation.id', 'id'],
    answer: { type: 'message', text: '{words}' },
    sourceMetadata: { channel: 'channelData.channel.id', user: 'from.name' },
  },
};

/** https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks: routes that forward mail. */
const MAILGUN: Preset = {
  schemes: [
    // The signature covers neither the text nor its sender.
    { signature: 'signature', signed: '{timestamp}{body:token}', timestamp: 'timestamp' },
  ],
  reading: {
    message: ['stripped-text', 'body-plain'],
    markup: 'text',
    author: 'sender',
    deliveryId: 'token',
    identity: 'Message-Id',
    sourceMetadata: { recipient: 'recipient', user: 'sender', title: 'subject' },
  },
};

/** https://learn.microsoft.com/azure/event-grid/receive-events and .../end-point-validation-event-grid-events-schema */
const EVENT_GRID: Preset = {
  schemes: [{ query: 'code', algorithm: 'token' }],
  reading: {
    events: '.',
    eventType: ['eventType', 'type'],
    message: ['data.text', 'data.message', 'subject'],
    markup: 'text',
    deliveryId: 'id',
    handshake: {
      methods: ['OPTIONS'],
      when: { eventType: ['Microsoft.EventGrid.SubscriptionValidationEvent'] },
      answer: { validationResponse: '{data.validationCode}' },
    },
    sourceMetadata: { subject: 'subject', topic: 'topic' },
  },
};

export const PRESETS: Readonly<Record<WebhookPreset, Preset>> = {
  'azure-devops': AZURE_DEVOPS,
  bitbucket: BITBUCKET,
  discord: DISCORD,
  'event-grid': EVENT_GRID,
  gitea: GITEA,
  gitlab: GITLAB,
  linear: LINEAR,
  mailgun: MAILGUN,
  mattermost: MATTERMOST,
  pagerduty: PAGERDUTY,
  sentry: SENTRY,
  'standard-webhooks': {
    schemes: standardSchemes('webhook'),
    reading: { ...STANDARD_READING, deliveryIdHeader: 'webhook-id' },
  },
  stripe: STRIPE,
  svix: {
    schemes: standardSchemes('svix'),
    reading: { ...STANDARD_READING, deliveryIdHeader: 'svix-id' },
  },
  teams: TEAMS,
  trello: TRELLO,
  zendesk: ZENDESK,
};
