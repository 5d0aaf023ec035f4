/** Vendors whose webhooks a preset describes. The presets themselves are in `webhooks/custom/presets.ts`. */
export const WEBHOOK_PRESETS = [
  'azure-devops',
  'bitbucket',
  'discord',
  'event-grid',
  'gitea',
  'gitlab',
  'linear',
  'mailgun',
  'mattermost',
  'pagerduty',
  'sentry',
  'standard-webhooks',
  'stripe',
  'svix',
  'teams',
  'trello',
  'zendesk',
] as const;

export type WebhookPreset = (typeof WEBHOOK_PRESETS)[number];
