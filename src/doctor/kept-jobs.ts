import { findSetAside } from '../queue/job-store.ts';
import { type Finding, problem, type Subject } from './finding.ts';

const SHOWN_MAX = 5;

/** Tasks that the service does not queue again, because the file with their job cannot be used. */
export async function checkKeptJobs({ config }: Subject): Promise<readonly Finding[]> {
  if (!config.enabled || !config.store) return [];
  const found = await findSetAside(config.logDir);
  if (found.length === 0) return [];
  const more = found.length > SHOWN_MAX ? ` and ${found.length - SHOWN_MAX} more` : '';
  const what = `tasks that are not queued again: ${found
    .slice(0, SHOWN_MAX)
    .map(({ reason }) => reason)
    .join(', ')}${more}`;
  return [
    problem(config.logDir, what, 'repair the file, or remove it: its task is then ended as not queued'),
  ];
}
