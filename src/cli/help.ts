import type { Command } from 'commander';

/** Examples below the help of a command, by its path. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'tasktrail start': [
    'tasktrail start',
    "TASK_LOGS_AGENT_COMMAND='claude -p --output-format stream-json --verbose' tasktrail start",
    'tasktrail start --port 8080 --dir /var/lib/tasktrail',
  ],
  'tasktrail webhook': [
    "tasktrail webhook github --text '@agent review'",
    "tasktrail webhook gitlab --text '@agent fix the login' --url https://agent.example.com",
  ],
  'tasktrail redact': ['tasktrail redact < agent.log', 'tasktrail redact --json < agent.log > /dev/null'],
  'tasktrail prune': ['tasktrail prune --dry-run', 'TASK_LOGS_RETENTION_DAYS=7 tasktrail prune'],
  'tasktrail verify': ['tasktrail verify', 'tasktrail verify --since 1d --json', 'tasktrail verify 01kdy0'],
  'tasktrail rebuild': [
    'tasktrail rebuild --check',
    'tasktrail rebuild 01kdy0',
    'tasktrail rebuild --from /var/lib/collector/archive',
    'tasktrail rebuild --from s3://tasktrail-raw/raw/2026/11/',
  ],
  'tasktrail run': [
    'tasktrail run -- echo hello',
    "tasktrail run --message 'fix the failing test' -- claude -p --output-format stream-json --verbose",
    'git diff | tasktrail run --timeout 600 -- codex exec --json -',
  ],
  'tasktrail tasks': ['tasktrail tasks --status failed --since 1d', 'tasktrail tasks --json | jq .task_id'],
  'tasktrail logs': [
    'tasktrail logs                   the newest task',
    'tasktrail logs -f 01kdy0         the task whose id begins like this',
    'tasktrail logs --type tool_call,error',
  ],
  'tasktrail export': ['tasktrail export 01kdy0 > run.html', 'tasktrail export latest | gzip > run.html.gz'],
  'tasktrail open': [
    'tasktrail open',
    'tasktrail open 01kdy0            the run whose id begins like this',
    'tasktrail open --print latest',
  ],
  'tasktrail mcp': [
    'claude mcp add tasktrail -- npx tasktrail mcp --dir /var/lib/tasktrail',
    'codex mcp add tasktrail -- npx tasktrail mcp --dir /var/lib/tasktrail',
  ],
  'tasktrail workflows': [
    'tasktrail workflows --status failure --since 1w',
    'tasktrail workflows --query \'phase:build "no space left"\'',
    'tasktrail workflows workflow-199      the workflow whose id begins like this',
  ],
  'tasktrail workflow': [
    'tasktrail workflow start --name release --phases build,publish',
    'tasktrail workflow phase build',
    'tasktrail workflow step test -- npm test',
    'tasktrail workflow complete',
  ],
  'tasktrail workflow step': [
    'tasktrail workflow step review',
    'tasktrail workflow step test -- npm test     ends with the exit code of npm test',
  ],
};

/** Adds examples to the help of the command and of those below it; errors in their arguments name that help. */
export function completeHelp(command: Command): void {
  const lines = EXAMPLES[pathOf(command)] ?? [];
  if (lines.length > 0) command.addHelpText('after', ['\nExamples:', ...lines].join('\n  '));
  command.showHelpAfterError(`(see ${helpOf(command)})`);
  for (const sub of command.commands) completeHelp(sub);
}

/** `tasktrail workflow step --help`. */
export function helpOf(command: Command): string {
  return `${pathOf(command)} --help`;
}

/** `step <name> [command...]`. */
export function termOf(command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...names].join(' ');
}

function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}
