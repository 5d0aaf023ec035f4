import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { WebhookPreset } from '../../src/model/webhook-presets.ts';
import type { CustomOptions } from '../../src/webhooks/senders/custom.ts';

// Payloads and signatures as the vendors document them, made without the code under test.

export interface SentDelivery {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Behind the path. */
  readonly query?: string;
}

export interface SigningOptions {
  readonly secret: string;
  /** The time of the delivery. */
  readonly seconds: number;
}

export interface PresetVendor {
  readonly preset: WebhookPreset;
  readonly options?: Partial<CustomOptions>;
  /** Two secrets in the vendor's form, the older one first, and one that is not configured. */
  readonly secrets: readonly [old: string, current: string, unknown: string];
  /** Where the signature or token stands. */
  readonly place: { readonly header: string } | { readonly field: string } | { readonly query: string };
  /** Whether the vendor signs a time. */
  readonly hasTime: boolean;
  /** A person's text in the vendor's payload, changed by `more`. */
  payload(text: string, more?: object): unknown;
  send(payload: unknown, options: SigningOptions): SentDelivery;
  /** Payloads with a command that start nothing, by what they are. */
  readonly silent: Readonly<Record<string, (text: string) => unknown>>;
}

function hmac(algorithm: string, key: string | Buffer, ...parts: string[]): Buffer {
  const hash = createHmac(algorithm, key);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function json(payload: unknown, headersOf: (body: string) => Record<string, string>): SentDelivery {
  const body = JSON.stringify(payload);
  return { body, headers: { 'Content-Type': 'application/json', ...headersOf(body) } };
}

let count = 0;

/** A new id for each delivery. */
function nextId(): string {
  count += 1;
  return `d4f5c389-8f4a-4c2e-a1b9-${String(count).padStart(12, '0')}`;
}

const TEXTS = ['the old secret of tests', 'the current secret', 'a secret of another sender'] as const;
const KEYS = TEXTS.map((text) => Buffer.from(text.padEnd(32, '.')).toString('base64'));
const WHSEC = [`whsec_${KEYS[0]}`, `whsec_${KEYS[1]}`, `whsec_${KEYS[2]}`] as const;

function gitlabNote(note: string, attributes: object = {}, more: object = {}): object {
  return {
    object_kind: 'note',
    event_type: 'note',
    user: { id: 1, name: 'Administrator', username: 'root', email: '[REDACTED]' },
    project_id: 5,
    project: { id: 5, name: 'Gitlab Test', path_with_namespace: 'gitlab-org/gitlab-test' },
    object_attributes: {
      id: 1_244 + count,
      internal: false,
      note,
      noteable_type: 'MergeRequest',
      author_id: 1,
      created_at: '2015-05-17 18:21:36 UTC',
      updated_at: '2015-05-17 18:21:36 UTC',
      system: false,
      action: 'create',
      url: 'http://example.com/gitlab-org/gitlab-test/merge_requests/1#note_1244',
      ...attributes,
    },
    merge_request: { id: 7, iid: 1, title: 'Tempora et eos debitis quae laborum et.' },
    ...more,
  };
}

const GITLAB_SILENT: PresetVendor['silent'] = {
  'an edit': (text) => gitlabNote(text, { action: 'update' }),
  'a system note': (text) => gitlabNote(text, { system: true }),
  'a bot of a project token': (text) => gitlabNote(text, {}, { user: { username: 'project_5_bot_8f2a' } }),
  'a quotation of the command': (text) => gitlabNote(`> ${text}\n\nDone, see the merge request.`),
  'an issue that is closed': (text) => ({
    ...gitlabNote(''),
    object_kind: 'issue',
    object_attributes: { id: 301, iid: 23, description: text, action: 'close' },
  }),
};

function gitlabHeaders(id: string): Record<string, string> {
  return {
    'X-Gitlab-Event': 'Note Hook',
    'X-Gitlab-Instance': 'https://gitlab.com',
    'X-Gitlab-Webhook-UUID': '02affd2d-2cba-4033-917d-ec22d5dc4b38',
    'X-Gitlab-Event-UUID': id,
  };
}

/** With the vendor-neutral library. */
function standard(prefix: string, payload: unknown, { secret, seconds }: SigningOptions): SentDelivery {
  const id = `msg_${nextId()}`;
  return json(payload, (body) => ({
    [`${prefix}-id`]: id,
    [`${prefix}-timestamp`]: String(seconds),
    [`${prefix}-signature`]: new Webhook(secret).sign(id, new Date(seconds * 1_000), body),
  }));
}

/** Key pairs of Discord's side, by their public key in hex. */
const DISCORD_KEYS = new Map<string, KeyObject>(
  [0, 1, 2].map(() => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    return [publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex'), privateKey];
  }),
);
const [DISCORD_OLD = '', DISCORD_CURRENT = '', DISCORD_UNKNOWN = ''] = DISCORD_KEYS.keys();

function discordCommand(value: string, more: object = {}): object {
  return {
    type: 2,
    token: 'A_UNIQUE_TOKEN',
    member: { user: { id: '53908232506183680', username: 'mason' }, roles: [], permissions: '2147483647' },
    id: nextId(),
    application_id: '775799577604522054',
    guild_id: '290926798626357999',
    channel_id: '645027906669510667',
    data: { id: '771825006014889984', type: 1, name: 'agent', options: [{ type: 3, name: 'text', value }] },
    version: 1,
    ...more,
  };
}

function sentryComment(comment: string, more: object = {}): object {
  return {
    action: 'created',
    data: {
      comment,
      project_slug: 'sentry',
      comment_id: 1_234 + count,
      issue_id: 100,
      timestamp: '2022-03-02T21:51:44.118160Z',
    },
    installation: { uuid: 'eac5a0ae-60ec-418f-9318-46dc5e7e52ec' },
    actor: { type: 'user', id: 1, name: 'colleen' },
    ...more,
  };
}

function linearComment(body: string, more: object = {}): (seconds: number) => object {
  return (seconds) => ({
    action: 'create',
    actor: { id: 'b5ea5f1f-8adc-4f52-b4bd-ab4e84cf51ba', type: 'user', name: 'Jo' },
    createdAt: '2020-01-23T12:53:18.084Z',
    data: {
      id: `2174add1-${nextId()}`,
      body,
      issueId: '539068e2',
      issue: { id: '539068e2', identifier: 'LIN-1778' },
    },
    url: 'https://linear.app/issue/LIN-1778/foo-bar#comment-77217de3',
    type: 'Comment',
    organizationId: '6f7c6c3d',
    webhookTimestamp: seconds * 1_000,
    webhookId: '000042e3-d123-4980-b49f-8e140eef9329',
    ...more,
  });
}

function bitbucketComment(raw: string, more: object = {}): object {
  return {
    repository: { full_name: 'acme/app', uuid: '{673a6070}', type: 'repository' },
    actor: { display_name: 'Jo', nickname: 'jo', uuid: '{a54f16da}', type: 'user' },
    pullrequest: { id: 42, title: 'Fix it', state: 'OPEN' },
    comment: {
      id: 501 + count,
      content: { raw, html: `<p>${raw}</p>`, markup: 'markdown' },
      links: { html: { href: 'https://bitbucket.org/acme/app/pull-requests/42/_/diff#comment-501' } },
    },
    ...more,
  };
}

function giteaComment(body: string, more: object = {}): object {
  return {
    action: 'created',
    issue: { id: 1, number: 3, title: 'It is slow' },
    comment: { id: 7, html_url: `https://gitea.test/acme/app/issues/3#issuecomment-${nextId()}`, body },
    repository: { id: 140, full_name: 'acme/app' },
    sender: { id: 1, login: 'jo', username: 'jo' },
    is_pull: false,
    ...more,
  };
}

function azureComment(content: string, comment: object = {}, more: object = {}): object {
  const id = nextId();
  return {
    subscriptionId: '00000000-0000-0000-0000-000000000000',
    notificationId: 2,
    id,
    eventType: 'ms.vss-code.git-pullrequest-comment-event',
    publisherId: 'tfs',
    message: { text: 'Jamal Hartnett has edited a pull request comment' },
    resource: {
      comment: {
        id: 2,
        parentCommentId: 1,
        author: { displayName: 'Jamal Hartnett', uniqueName: 'fabrikamfiber4@hotmail.com' },
        content,
        publishedDate: '2014-06-17T16:55:46.589889Z',
        commentType: 'text',
        _links: {
          self: {
            href: `https://fabrikam.test/_apis/git/repositories/r/pullRequests/1/threads/5/comments/${id}`,
          },
        },
        ...comment,
      },
      pullRequest: { pullRequestId: 1, title: 'my first pull request', repository: { name: 'Fabrikam' } },
    },
    resourceVersion: '2.0',
    ...more,
  };
}

function pagerdutyNote(content: string, event: object = {}): object {
  return {
    event: {
      id: nextId(),
      event_type: 'incident.annotated',
      resource_type: 'incident',
      occurred_at: '2020-10-02T18:45:22.169Z',
      agent: { id: 'PLH1HKV', summary: 'Tenex Engineer', type: 'user_reference' },
      client: { name: 'PagerDuty' },
      data: {
        incident: {
          id: 'PGR0VU2',
          html_url: 'https://acme.pagerduty.com/incidents/PGR0VU2',
          type: 'incident_reference',
        },
        id: `P2LA89X${count}`,
        content,
        trimmed: false,
        type: 'incident_note',
      },
      ...event,
    },
  };
}

const TRELLO_URL = 'https://hooks.example.com/webhooks/trello?board=1';

function trelloComment(text: string, action: object = {}): object {
  return {
    model: { id: '597f3c854baa6e43db4f07d7', name: 'testing' },
    action: {
      id: nextId(),
      idMemberCreator: '50e853a3a98492ed05002257',
      type: 'commentCard',
      date: '2016-12-20T21:41:53.613Z',
      data: {
        text,
        card: { id: '58583a4a8293d411ec44abf5', shortLink: '38UCRrH5', name: 'It is slow' },
        board: { id: '58583a421335eb9ad2d3403a', shortLink: 'TJBdSPf6', name: 'Board' },
      },
      memberCreator: { id: '58530f69bd582fbf01f4a8fc', fullName: 'Bentley', username: 'bentley' },
      ...action,
    },
  };
}

function zendeskComment(body: string, more: object = {}): object {
  return {
    account_id: 22_129_848,
    detail: { id: '5158', subject: 'Cannot login to mobile app', status: 'OPEN' },
    event: {
      comment: {
        id: `98${nextId()}`,
        body,
        is_public: true,
        author: { id: '8447388090495', is_staff: true, name: 'Agent' },
      },
    },
    id: nextId(),
    subject: 'zen:ticket:5158',
    time: '2025-01-08T14:25:30.123456789Z',
    type: 'zen:event-type:ticket.comment_added',
    zendesk_event_version: '2022-11-06',
    ...more,
  };
}

export const PRESET_VENDORS: readonly PresetVendor[] = [
  {
    preset: 'gitlab',
    secrets: TEXTS,
    place: { header: 'X-Gitlab-Token' },
    hasTime: false,
    payload: (text) => gitlabNote(text),
    send: (payload, { secret }) =>
      json(payload, () => ({ ...gitlabHeaders(nextId()), 'X-Gitlab-Token': secret })),
    silent: GITLAB_SILENT,
  },
  {
    // With a signing token; GitLab sends the headers of Standard Webhooks.
    preset: 'gitlab',
    secrets: WHSEC,
    place: { header: 'webhook-signature' },
    hasTime: true,
    payload: (text) => gitlabNote(text),
    send: (payload, options) => {
      const { body, headers } = standard('webhook', payload, options);
      return { body, headers: { ...headers, ...gitlabHeaders(nextId()) } };
    },
    silent: GITLAB_SILENT,
  },
  {
    preset: 'linear',
    secrets: TEXTS,
    place: { header: 'Linear-Signature' },
    hasTime: true,
    payload: (text) => linearComment(text),
    send: (payload, { secret, seconds }) => {
      const whole =
        typeof payload === 'function' ? (payload as (seconds: number) => object)(seconds) : payload;
      return json(whole, (body) => ({
        'Linear-Delivery': nextId(),
        'Linear-Event': 'Comment',
        'Linear-Signature': hmac('sha256', secret, body).toString('hex'),
      }));
    },
    silent: {
      'an edit': (text) => linearComment(text, { action: 'update' }),
      'a comment of an app': (text) => linearComment(text, { actor: { type: 'OauthClient', name: 'Bot' } }),
    },
  },
  {
    preset: 'sentry',
    secrets: TEXTS,
    place: { header: 'Sentry-Hook-Signature' },
    hasTime: false,
    payload: (text) => sentryComment(text),
    send: (payload, { secret, seconds }) =>
      json(payload, (body) => ({
        'Request-ID': nextId(),
        'Sentry-Hook-Resource': 'comment',
        'Sentry-Hook-Timestamp': String(seconds),
        'Sentry-Hook-Signature': hmac('sha256', secret, body).toString('hex'),
      })),
    silent: {
      'an edit': (text) => sentryComment(text, { action: 'updated' }),
      'a comment of an app': (text) => sentryComment(text, { actor: { type: 'application', name: 'Bot' } }),
    },
  },
  {
    preset: 'stripe',
    secrets: ['whsec_old_of_the_tests', 'whsec_current_of_tests', 'whsec_unknown'],
    place: { header: 'Stripe-Signature' },
    hasTime: true,
    payload: (description) => ({
      id: `evt_${nextId()}`,
      object: 'event',
      type: 'charge.dispute.created',
      data: { object: { id: 'dp_1', object: 'dispute', description } },
    }),
    send: (payload, { secret, seconds }) =>
      json(payload, (body) => ({
        // v0 is a scheme of test events, which does not count.
        'Stripe-Signature': `t=${seconds},v0=${'6f'.repeat(32)},v1=${hmac('sha256', secret, `${seconds}.`, body).toString('hex')}`,
      })),
    silent: {},
  },
  {
    preset: 'standard-webhooks',
    secrets: WHSEC,
    place: { header: 'webhook-signature' },
    hasTime: true,
    payload: (text) => ({
      type: 'comment.created',
      timestamp: '2022-11-03T20:26:10.344522Z',
      data: { text },
    }),
    send: (payload, options) => standard('webhook', payload, options),
    silent: {},
  },
  {
    preset: 'svix',
    secrets: WHSEC,
    place: { header: 'svix-signature' },
    hasTime: true,
    payload: (text) => ({ type: 'comment.created', data: { text } }),
    send: (payload, options) => standard('svix', payload, options),
    silent: {},
  },
  {
    preset: 'bitbucket',
    secrets: TEXTS,
    place: { header: 'X-Hub-Signature' },
    hasTime: false,
    payload: (text) => bitbucketComment(text),
    send: (payload, { secret }) =>
      json(payload, (body) => ({
        'X-Event-Key': 'pullrequest:comment_created',
        'X-Request-UUID': nextId(),
        'X-Hub-Signature': `sha256=${hmac('sha256', secret, body).toString('hex')}`,
      })),
    silent: {
      'a comment of an app': (text) =>
        bitbucketComment(text, { actor: { type: 'app_user', nickname: 'bot' } }),
    },
  },
  {
    preset: 'gitea',
    secrets: TEXTS,
    place: { header: 'X-Gitea-Signature' },
    hasTime: false,
    payload: (text) => giteaComment(text),
    send: (payload, { secret }) =>
      json(payload, (body) => ({
        'X-Gitea-Delivery': nextId(),
        'X-Gitea-Event': 'issue_comment',
        'X-Gitea-Event-Type': 'issue_comment',
        'X-Gitea-Signature': hmac('sha256', secret, body).toString('hex'),
      })),
    silent: {
      'an edit': (text) => giteaComment(text, { action: 'edited' }),
      'a comment of an action': (text) => giteaComment(text, { sender: { login: 'gitea-actions' } }),
    },
  },
  {
    preset: 'azure-devops',
    secrets: TEXTS,
    place: { header: 'Authorization' },
    hasTime: false,
    payload: (text) => azureComment(text),
    send: (payload, { secret }) =>
      json(payload, () => ({
        Authorization: `Basic ${Buffer.from(`tasktrail:${secret}`).toString('base64')}`,
      })),
    silent: {
      'a deleted comment': (text) => azureComment(text, { isDeleted: true }),
      'a comment of the system': (text) => azureComment(text, { commentType: 'system' }),
      'another event': (text) => azureComment(text, {}, { eventType: 'git.push' }),
    },
  },
  {
    preset: 'pagerduty',
    secrets: TEXTS,
    place: { header: 'X-PagerDuty-Signature' },
    hasTime: false,
    payload: (text) => pagerdutyNote(text),
    send: (payload, { secret }) =>
      json(payload, (body) => ({
        'X-Webhook-Id': 'PSIZ8ZF',
        'X-PagerDuty-Signature': `v1=${hmac('sha256', secret, body).toString('hex')}`,
      })),
    silent: {
      'another event': (text) => pagerdutyNote(text, { event_type: 'incident.triggered' }),
      'a note of an integration': (text) =>
        pagerdutyNote(text, { agent: { type: 'inbound_integration_reference' } }),
    },
  },
  {
    preset: 'trello',
    options: { url: TRELLO_URL },
    secrets: TEXTS,
    place: { header: 'X-Trello-Webhook' },
    hasTime: false,
    payload: (text) => trelloComment(text),
    send: (payload, { secret }) =>
      json(payload, (body) => ({
        'X-Trello-Webhook': hmac('sha1', secret, body, TRELLO_URL).toString('base64'),
      })),
    silent: { 'an edit': (text) => trelloComment(text, { type: 'updateComment' }) },
  },
  {
    preset: 'discord',
    secrets: [DISCORD_OLD, DISCORD_CURRENT, DISCORD_UNKNOWN],
    place: { header: 'X-Signature-Ed25519' },
    hasTime: true,
    payload: (text) => discordCommand(text.replace('@agent ', '')),
    send: (payload, { secret, seconds }) =>
      json(payload, (body) => ({
        'X-Signature-Timestamp': String(seconds),
        'X-Signature-Ed25519': signBytes(
          null,
          Buffer.from(`${seconds}${body}`),
          DISCORD_KEYS.get(secret) ?? '',
        ).toString('hex'),
      })),
    silent: {
      'a command of a bot': (text) =>
        discordCommand(text, { member: { user: { username: 'b', bot: true } } }),
      'a button': (text) => discordCommand(text, { type: 3 }),
    },
  },
  {
    preset: 'zendesk',
    secrets: TEXTS,
    place: { header: 'X-Zendesk-Webhook-Signature' },
    hasTime: true,
    payload: (text) => zendeskComment(text),
    send: (payload, { secret, seconds }) => {
      const time = new Date(seconds * 1_000).toISOString();
      return json(payload, (body) => ({
        'X-Zendesk-Webhook-Id': '01HNF5XHW8KSA2CJ9CZXXXXXXX',
        'X-Zendesk-Webhook-Signature': hmac('sha256', secret, time, body).toString('base64'),
        'X-Zendesk-Webhook-Signature-Timestamp': time,
      }));
    },
    silent: { 'another event': (text) => zendeskComment(text, { type: 'zen:event-type:ticket.created' }) },
  },
  {
    preset: 'mattermost',
    secrets: TEXTS,
    place: { field: 'token' },
    hasTime: false,
    payload: (text) => mattermostPost(text),
    send: (payload, { secret }) => json({ ...Object(payload), token: secret }, () => ({})),
    silent: {},
  },
  {
    // The same as a form, which is Mattermost's default.
    preset: 'mattermost',
    secrets: TEXTS,
    place: { field: 'token' },
    hasTime: false,
    payload: (text) => mattermostPost(text),
    send: (payload, { secret }) => form({ ...Object(payload), token: secret }),
    silent: {},
  },
  {
    preset: 'teams',
    secrets: [KEYS[0] ?? '', KEYS[1] ?? '', KEYS[2] ?? ''],
    place: { header: 'Authorization' },
    hasTime: false,
    payload: (text) => ({
      type: 'message',
      id: nextId(),
      text: `<at>tasktrail</at> ${text}`,
      from: { id: '29:1', name: 'Jo' },
      conversation: { id: '19:253@thread.skype;messageid=1485983408511' },
      channelData: { channel: { id: '19:253@thread.skype' } },
    }),
    send: (payload, { secret }) =>
      json(payload, (body) => ({
        Authorization: `HMAC ${hmac('sha256', Buffer.from(secret, 'base64'), body).toString('base64')}`,
      })),
    silent: {},
  },
  {
    preset: 'mailgun',
    secrets: TEXTS,
    place: { field: 'signature' },
    hasTime: true,
    payload: (text) => ({
      recipient: 'agent@example.com',
      sender: 'bob@example.com',
      subject: 'Re: it is slow',
      'body-plain': `${text}\n\n> earlier`,
      'stripped-text': text,
      'Message-Id': `<${nextId()}@example.com>`,
    }),
    send: (payload, { secret, seconds }) => {
      const token = nextId().padEnd(50, '0');
      const signature = hmac('sha256', secret, String(seconds), token).toString('hex');
      return form({ ...Object(payload), timestamp: String(seconds), token, signature });
    },
    silent: {},
  },
  {
    preset: 'event-grid',
    secrets: ['an-old-code-of-tests', 'the-current-code', 'another-code'],
    place: { query: 'code' },
    hasTime: false,
    payload: (text) => [eventGridEvent({ text })],
    send: (payload, { secret }) => ({
      ...json(payload, () => ({ 'aeg-event-type': 'Notification' })),
      query: `?code=${secret}`,
    }),
    silent: {},
  },
];

function mattermostPost(text: string): object {
  return {
    channel_id: 'hawos4dqtby53pd64o4a4cmeoo',
    channel_name: 'town-square',
    team_domain: 'someteam',
    post_id: `axdygg1957njfe5pu38saikd${nextId()}`,
    text,
    timestamp: '1445532266',
    trigger_word: '@agent',
    user_id: 'rnina9994bde8mua79zqcg5hmo',
    user_name: 'somename',
  };
}

export function eventGridEvent(data: object, more: object = {}): object {
  return {
    id: nextId(),
    eventType: 'recordInserted',
    subject: 'myapp/vehicles/motorcycles',
    eventTime: '2017-08-10T21:03:07+00:00',
    data,
    dataVersion: '1.0',
    metadataVersion: '1',
    topic: '/subscriptions/s/resourceGroups/r/providers/Microsoft.EventGrid/topics/t',
    ...more,
  };
}

function form(fields: Record<string, string>): SentDelivery {
  return {
    body: new URLSearchParams(fields).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  };
}
