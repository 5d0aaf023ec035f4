import type { Config } from '../../config/config.ts';
import {
  type ReceiverDefaults,
  type ReceiveWebhooksOptions,
  receiveWebhooks,
  type WebhookHandler,
} from '../../webhooks/receive-webhooks.ts';
import { commandNames, planFor } from '../commands.ts';
import type { TaskIntake } from '../task-intake.ts';

export interface WebhookParts extends Pick<ReceiveWebhooksOptions, 'claims' | 'ledger'> {
  readonly proofs: ReceiverDefaults['proofs'] | undefined;
  readonly config: Config;
  readonly intake: TaskIntake;
  onError(error: unknown): void;
}

/** The webhooks of the configuration, whose tasks go to the intake. */
export function createWebhooks({
  config,
  intake,
  claims,
  ledger,
  proofs,
  onError,
}: WebhookParts): WebhookHandler {
  return receiveWebhooks(
    {
      github: { secret: config.githubSecrets, token: config.githubToken, apiUrl: config.githubApiUrl },
      jira: { secret: config.jiraSecrets },
      slack: { secret: config.slackSecrets },
      custom: config.webhooks,
      trigger: config.trigger,
      commands: commandNames(config),
      agentOf: (command) => planFor(config, { command, agent: null }).agentName,
      onTask: (task) => intake.enqueue(task, { command: task.command, agent: null }),
      onError,
      claims,
      ledger,
    },
    proofs === undefined ? {} : { proofs },
  );
}
