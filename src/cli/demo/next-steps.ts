import { SETTINGS } from '../../config/settings.ts';
import type { Sheet } from './sheet.ts';

/** Where `npm start` listens without settings. */
const DEFAULT_URL = `http://${SETTINGS.HOST.default}:${SETTINGS.PORT.default}`;

/** What to try next, as commands that work as they are: an example agent stands where the user's own goes. */
export function nextLines(logDir: string, { paint }: Sheet): readonly string[] {
  const dir = shellWord(logDir);
  const command = (words: string): string => `  ${paint(words, 'cyan')}`;
  return [
    '',
    paint('Next', 'bold'),
    'List the tasks; read the newest one:',
    command(`npx tasktrail tasks --dir ${dir}`),
    command(`npx tasktrail logs --dir ${dir}`),
    'Run your own agent as a task, in place of "echo hello":',
    command(`npx tasktrail run --dir ${dir} -- echo hello`),
    'Start the service with your own agent, in place of "cat", and ask it over REST:',
    command(`TASK_LOGS_DIR=${dir} TASK_LOGS_AGENT_COMMAND=cat npm start`),
    command(`curl ${DEFAULT_URL}/api/tasks`),
    'Look at the run in a browser: npm run demo -- --keep-running',
  ];
}

/** Addresses of the service that runs. */
export function restLines(url: string): readonly string[] {
  return ['REST', `  curl ${url}/api/tasks`, `  curl ${url}/api/workflows`, ''];
}

/** The address of the run, at the end of a demo that stays. */
export function pageLines(address: string, { paint }: Sheet): readonly string[] {
  return [
    paint('Look at the run', 'bold'),
    `  ${address}`,
    '',
    'The service keeps running. Ctrl-C stops it.',
  ];
}

/** Quoted for a POSIX shell where it has to be. */
function shellWord(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
