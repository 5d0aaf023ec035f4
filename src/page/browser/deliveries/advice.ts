import type { Delivery } from '../../../client/api/shapes.ts';
import { known } from '../data/known.ts';

/** What happened to a delivery in a sentence, and what would change it. */
export interface Advice {
  readonly sentence: string;
  readonly todo: string | undefined;
}

/** Reasons that are codes. Others are sentences already. */
const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  wrong_signature: [
    'The signature does not fit the body.',
    'Compare the secret at the sender with {SECRET}. A proxy must pass the bytes as they are.',
  ],
  missing_signature: ['The delivery is not signed.', 'Set the secret at the sender: the value of {SECRET}.'],
  malformed_signature: ['The signature has another form.', 'Check which kind of webhook the sender sends.'],
  wrong_token: ['The token is another one.', 'Compare the token at the sender with {SECRET}.'],
  no_secret: ['No secret is set for this sender, so nothing can be verified.', 'Set {SECRET}.'],
  stale_timestamp: [
    'Its time is more than five minutes away from the clock of this machine.',
    'Set the clock.',
  ],
  missing_timestamp: ['It has no time.', 'Check which kind of webhook the sender sends.'],
  malformed_timestamp: ['Its time has another form.', 'Check which kind of webhook the sender sends.'],
  parsed_body: [
    'A body parser ran before the signature could be checked.',
    'Mount receiveWebhooks before it.',
  ],
  slow_body: ['The body took too long to arrive.', 'Check the proxy in front of this service.'],
  overloaded: ['Too much was received at once.', 'The sender tries again.'],
  too_many_events: ['It has too many events in one body.', 'Let the sender send fewer at once.'],
};

/** Beginnings of reasons that are sentences, with what would change it. */
const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [
    /^no .* in the text/,
    'Write the trigger and a command at the start of a line. TASK_LOGS_TRIGGER sets another trigger.',
  ],
  [/^unknown command/, 'Use a known command, or add this one to "commands" in the configuration file.'],
  [/^the sender is a bot|^the author is an app/, 'Bots start nothing: comment as a person.'],
  [/^event .* starts nothing/, 'Subscribe to events with the text of a person.'],
  [/deliver(?:y|ies) .*taken before/, 'Comment again: a redelivery or an edit starts nothing again.'],
  [/^set [A-Z_]+ to receive/, 'Set it, and start the service again.'],
  [/queue|Redis/, 'See Health. The sender may send it again.'],
];

const SECRETS: Readonly<Record<string, string>> = {
  github: 'GITHUB_WEBHOOK_SECRET',
  jira: 'JIRA_WEBHOOK_SECRET',
  slack: 'SLACK_SIGNING_SECRET',
};

export function adviceOf({ outcome, reason, provider, task_ids: ids }: Delivery): Advice {
  if (outcome === 'accepted') {
    const tasks = ids.length === 1 ? 'one task' : `${ids.length} tasks`;
    return { sentence: `It started ${tasks}.`, todo: undefined };
  }
  const secret = known(SECRETS, provider) ?? `webhooks.${provider}.secret`;
  const row = known(REASONS, reason ?? '');
  if (row !== undefined) return { sentence: row[0], todo: row[1].replace('{SECRET}', () => secret) };
  const todo = SENTENCES.find(([form]) => form.test(reason ?? ''))?.[1];
  return { sentence: reason ?? 'No reason was recorded.', todo };
}
