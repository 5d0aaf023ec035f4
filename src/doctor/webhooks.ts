import { isLoopback } from '../config/values/loopback.ts';
import { type Finding, ok, type Subject } from './finding.ts';

/** Which senders are on, and who may ask for the logs: all of it is as somebody chose, and worth knowing. */
export async function lookAtWebhooks({ config }: Subject): Promise<readonly Finding[]> {
  const rows = [
    ['github', 'GITHUB_WEBHOOK_SECRET', config.githubSecrets],
    ['jira', 'JIRA_WEBHOOK_SECRET', config.jiraSecrets],
    ['slack', 'SLACK_SIGNING_SECRET', config.slackSecrets],
  ] as const;
  const findings = rows.map(([name, setting, secrets]) =>
    secrets.length > 0
      ? ok(`/webhooks/${name}`, 'on')
      : ok(`/webhooks/${name}`, `off, answered with 503: ${setting} is not set`),
  );
  const custom = Object.keys(config.webhooks).map((name) => ok(`/webhooks/${name}`, 'on'));
  return [...findings, ...custom, tokenFinding(config.apiToken, [config.host, config.otlpHost])];
}

/** That an address which can be reached from outside has a token is checked with the settings. */
function tokenFinding(token: string | undefined, hosts: readonly string[]): Finding {
  if (token !== undefined) return ok('TASK_LOGS_API_TOKEN', 'set: /api and OTLP ask for it');
  const isLocal = hosts.every(isLoopback);
  return ok('TASK_LOGS_API_TOKEN', `not set: ${isLocal ? 'reached from this machine only' : 'needed'}`);
}
