import { createHmac, randomUUID } from 'node:crypto';
import type { ReceiveWebhooksOptions } from '../../src/webhooks/receive-webhooks.ts';
import { comment } from './deliveries.ts';

export type Headers = Record<string, string>;

/** A webhook provider with its configuration and signature scheme. */
export interface Vendor {
  readonly name: string;
  readonly options: Partial<ReceiveWebhooksOptions>;
  /** Header of the signature. */
  readonly header: string;
  readonly bodyBytesMax: number;
  /** The headers of a signed request with this body. */
  sign(body: string | Buffer, secret?: string): Headers;
  /** A payload with a message of a person. `id` is the delivery id of providers that send it in the body. */
  said(text: string, id?: string): object;
  /** Header of the delivery id, if the provider has one. */
  readonly idHeader?: string;
}

export const SECRETS = { old: 'the old secret of tests', new: 'the new secret of tests' };
const secret = Object.values(SECRETS);

function hmac(algorithm: string, key: string, ...parts: (string | Buffer)[]): Buffer {
  const hash = createHmac(algorithm, key);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

const github: Vendor = {
  name: 'github',
  options: { github: { secret } },
  header: 'x-hub-signature-256',
  bodyBytesMax: 26_214_400,
  idHeader: 'x-github-delivery',
  sign: (body, key = SECRETS.new) => ({
    'content-type': 'application/json',
    'x-github-event': 'issue_comment',
    'x-hub-signature-256': `sha256=${hmac('sha256', key, body).toString('hex')}`,
  }),
  said: (text) => comment(text),
};

const jira: Vendor = {
  name: 'jira',
  options: { jira: { secret } },
  header: 'x-hub-signature',
  bodyBytesMax: 26_214_400,
  idHeader: 'x-atlassian-webhook-identifier',
  sign: (body, key = SECRETS.new) => ({
    'content-type': 'application/json; charset=UTF-8',
    'x-hub-signature': `sha256=${hmac('sha256', key, body).toString('hex')}`,
  }),
  said: (text) => jiraComment(text),
};

const slack: Vendor = {
  name: 'slack',
  options: { slack: { secret } },
  header: 'x-slack-signature',
  bodyBytesMax: 1_048_576,
  sign: (body, key = SECRETS.new) => signSlack(body, { key }),
  said: (text, id = `Ev${randomUUID()}`) => slackMessage(text, { event_id: id }),
};

const custom: Vendor = {
  name: 'ci',
  options: {
    custom: {
      ci: {
        secret,
        header: 'X-Ci-Signature',
        algorithm: 'sha512',
        encoding: 'base64',
        prefix: 'v1=',
        message: 'note.items.0.text',
        eventType: 'kind',
        deliveryId: 'meta.id',
        sourceMetadata: { repo: 'project.name', build: 'build.number', absent: 'not.there' },
      },
    },
  },
  header: 'x-ci-signature',
  bodyBytesMax: 5_242_880,
  sign: (body, key = SECRETS.new) => ({
    'content-type': 'application/json',
    'x-ci-signature': `v1=${hmac('sha512', key, body).toString('base64')}`,
  }),
  said: (text, id = randomUUID()) => ({
    kind: 'build.failed',
    meta: { id },
    note: { items: [{ text }] },
    project: { name: 'acme/app' },
    build: { number: 7 },
  }),
};

export const VENDORS: readonly Vendor[] = [github, jira, slack, custom];
export const VENDOR: Readonly<Record<'github' | 'jira' | 'slack' | 'custom', Vendor>> = {
  github,
  jira,
  slack,
  custom,
};

/** Options of a receiver for all providers. */
export const ALL_OPTIONS: Partial<ReceiveWebhooksOptions> = Object.assign(
  {},
  ...VENDORS.map(({ options }) => options),
);

export function signSlack(
  body: string | Buffer,
  {
    key = SECRETS.new,
    seconds = Math.floor(Date.now() / 1_000),
  }: { key?: string; seconds?: number | string } = {},
): Headers {
  return {
    'content-type': 'application/json',
    'x-slack-request-timestamp': String(seconds),
    'x-slack-signature': `v0=${hmac('sha256', key, `v0:${seconds}:`, body).toString('hex')}`,
  };
}

/** The fields of an `event_callback` that the program reads. */
export function slackMessage(text: string, more: object = {}, event: object = {}): object {
  return {
    token: 'verification-token',
    team_id: 'T061EG9R6',
    api_app_id: 'A0MDYCDME',
    event: {
      type: 'app_mention',
      user: 'W021FGA1Z',
      text,
      ts: `${Date.now()}.${randomUUID().slice(0, 6)}`,
      channel: 'C0LAN2Q65',
      ...event,
    },
    type: 'event_callback',
    event_id: `Ev${randomUUID()}`,
    authorizations: [{ team_id: 'T061EG9R6', user_id: 'U0LAN0Z89', is_bot: true }],
    ...more,
  };
}

/** The fields of a `comment_created` that the program reads. */
export function jiraComment(body: unknown, more: object = {}): object {
  const id = String(Math.floor(Math.random() * 1e9));
  return {
    timestamp: 1_700_000_000_000,
    webhookEvent: 'comment_created',
    comment: {
      self: `https://acme.atlassian.net/rest/api/2/issue/10001/comment/${id}`,
      id,
      author: { accountId: '5b10a2', displayName: 'Jo', accountType: 'atlassian' },
      body,
    },
    issue: jiraIssue(),
    ...more,
  };
}

/** Another issue in each call, with the same key. */
export function jiraIssue(fields: object = {}): object {
  return {
    id: String(Math.floor(Math.random() * 1e9)),
    self: 'https://acme.atlassian.net/rest/api/2/issue/10001',
    key: 'APP-42',
    fields: { summary: 'It is slow', project: { key: 'APP', name: 'App' }, ...fields },
  };
}

/** Posts to `/webhooks/<name>`. */
export async function post(
  url: string,
  name: string,
  { headers, body }: { readonly headers: Headers; readonly body: string | Buffer },
): Promise<Response> {
  return fetch(`${url}/webhooks/${name}`, {
    method: 'POST',
    headers,
    body: new Uint8Array(Buffer.from(body)),
  });
}

/** Sends a signed delivery with a message of a person. */
export async function say(
  url: string,
  vendor: Vendor,
  text: string,
  id: string = randomUUID(),
): Promise<Response> {
  const body = JSON.stringify(vendor.said(text, id));
  const headers = { ...vendor.sign(body), ...(vendor.idHeader !== undefined && { [vendor.idHeader]: id }) };
  return post(url, vendor.name, { headers, body });
}

/** `webhooks` of the configuration for the custom sender. */
export const CUSTOM_WEBHOOK = {
  ci: {
    secret: `$${'{CI_SECRET}'}`,
    header: 'X-Ci-Signature',
    algorithm: 'sha512',
    encoding: 'base64',
    prefix: 'v1=',
    message: 'note.items.0.text',
    event_type: 'kind',
    delivery_id: 'meta.id',
    source_metadata: { repo: 'project.name' },
  },
};

/** The settings by which a service knows all of them. */
export const SECRET_ENV: Readonly<Record<string, string>> = {
  GITHUB_WEBHOOK_SECRET: `${SECRETS.old},${SECRETS.new}`,
  JIRA_WEBHOOK_SECRET: SECRETS.new,
  SLACK_SIGNING_SECRET: SECRETS.new,
  CI_SECRET: SECRETS.new,
};
