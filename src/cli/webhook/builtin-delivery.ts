import { createHmac } from 'node:crypto';
import type { SampleDelivery, SampleOptions } from '../../webhooks/custom/sample-delivery.ts';

/** Senders with settings of their own. */
export type BuiltinName = 'github' | 'jira' | 'slack';

type MakeDelivery = (
  options: SampleOptions & { readonly secret: string; readonly trigger: string },
) => SampleDelivery;

const AUTHOR = 'tasktrail-webhook';

/** The fields that the service reads, signed as the vendor signs. */
export const BUILTIN_DELIVERIES: Readonly<Record<BuiltinName, MakeDelivery>> = {
  // A review: the service sets a reaction to comments, and this one does not exist at GitHub.
  github: ({ text, id, secret }) => {
    const body = JSON.stringify({
      action: 'submitted',
      review: { id: Number.parseInt(id.slice(0, 8), 16), body: text },
      pull_request: { number: 1, title: 'A try with tasktrail webhook' },
      repository: { full_name: 'example/app' },
      sender: { login: AUTHOR, type: 'User' },
    });
    return request(body, {
      'X-GitHub-Event': 'pull_request_review',
      'X-GitHub-Delivery': id,
      'X-Hub-Signature-256': `sha256=${hmac(secret, body)}`,
    });
  },
  jira: ({ text, id, nowMs, secret }) => {
    const body = JSON.stringify({
      timestamp: nowMs,
      webhookEvent: 'comment_created',
      comment: { id, author: { displayName: AUTHOR, accountType: 'atlassian' }, body: text },
      issue: { key: 'TRY-1', fields: { summary: 'A try with tasktrail webhook' } },
    });
    return request(body, {
      'X-Atlassian-Webhook-Identifier': id,
      'X-Hub-Signature': `sha256=${hmac(secret, body)}`,
    });
  },
  slack: ({ text, id, nowMs, secret, trigger }) => {
    const time = String(Math.floor(nowMs / 1_000));
    const bot = 'U0TASKTRAIL';
    const body = JSON.stringify({
      type: 'event_callback',
      team_id: 'T0TASKTRAIL',
      event_id: id,
      event: {
        type: 'app_mention',
        user: 'U0USER',
        channel: 'C0TASKTRAIL',
        ts: `${time}.${String(nowMs % 1_000).padStart(6, '0')}`,
        // Slack sends a mention of the app as the id of its user.
        text: text.startsWith(trigger) ? `<@${bot}>${text.slice(trigger.length)}` : text,
      },
      authorizations: [{ team_id: 'T0TASKTRAIL', user_id: bot, is_bot: true }],
    });
    return request(body, {
      'X-Slack-Request-Timestamp': time,
      'X-Slack-Signature': `v0=${hmac(secret, `v0:${time}:${body}`)}`,
    });
  },
};

function request(body: string, headers: Readonly<Record<string, string>>): SampleDelivery {
  const sent = { headers: { 'Content-Type': 'application/json', ...headers }, body, query: '' };
  return { sent, shown: sent };
}

function hmac(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('hex');
}
