import type { Config } from '../config/config.ts';
import { escapeLine } from './terminal/terminal-text.ts';

/** A line of what a service prints at its start. */
export function row(name: string, text: string): string {
  // A path or a command may have newlines, and must not look like a line of this list.
  return `  ${name.padEnd(10)} ${escapeLine(text)}`;
}

export function webhookNames(config: Config): readonly string[] {
  return ['github', 'jira', 'slack', ...Object.keys(config.webhooks)];
}

/** Webhooks that are off, and the setting that switches each on. */
export function webhookNotes(config: Config): readonly string[] {
  const unset = [
    ['GitHub', 'GITHUB_WEBHOOK_SECRET', config.githubSecrets],
    ['Jira', 'JIRA_WEBHOOK_SECRET', config.jiraSecrets],
    ['Slack', 'SLACK_SIGNING_SECRET', config.slackSecrets],
  ] as const;
  const notes = unset
    .filter(([, , secrets]) => secrets.length === 0)
    .map(([vendor, setting]) => `${vendor} webhooks (answered with 503): set ${setting}`);
  if (config.githubSecrets.length > 0 && config.githubToken === undefined)
    notes.push('the eyes reaction on comments: set GITHUB_TOKEN');
  return notes;
}
