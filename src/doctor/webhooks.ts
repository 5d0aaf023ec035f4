import { isLoopback } from '../model/loopback.ts';
import { type Finding, ok, type Subject } from './finding.ts';

/** Which senders are enabled, and whether the API needs a token. Informational: both are choices of the user. */
export async function checkWebhooks({ config }: Subject): Promise<readonly Finding[]> {
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
  const custom = Object.entries(config.webhooks).map(([name, { preset }]) =>
    ok(`/webhooks/${name}`, preset === undefined ? 'on' : `on, as ${preset} signs`),
  );
  return [...findings, ...custom, tokenFinding(config.apiToken, [config.host, config.otlpHost])];
}

/** Loading the settings has checked that an address that is reachable from outside has a token. */
function tokenFinding(token: string | undefined, hosts: readonly string[]): Finding {
  if (token !== undefined) return ok('TASK_LOGS_API_TOKEN', 'set: /api and OTLP require it');
  const isLocal = hosts.every(isLoopback);
  return ok('TASK_LOGS_API_TOKEN', `not set: ${isLocal ? 'only reachable from this machine' : 'required'}`);
}
