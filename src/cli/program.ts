import { Command, Option } from 'commander';
import { applyEnvFile } from '../config/environment.ts';
import { SETTINGS } from '../config/settings.ts';
import { TASK_STATUSES } from '../model/documents.ts';
import { STATS_GROUPS, TASK_SORTS } from '../model/task-reading.ts';
import { WORKFLOW_SORTS } from '../model/workflow.ts';
import { readVersion } from '../system/version.ts';
import type { DiffFlags } from './diff.ts';
import { reportError } from './exit-code.ts';
import { completeHelp, helpOf, termOf } from './help.ts';
import type { LogsFlags } from './logs.ts';
import { addPage } from './page-commands.ts';
import { withoutOptionWords } from './query-words.ts';
import type { RunFlags } from './run/run.ts';
import type { SendFlags } from './send.ts';
import type { StatsFlags } from './stats.ts';
import { addStore } from './store-commands.ts';
import type { TasksFlags } from './tasks.ts';
import { escapeText } from './terminal/terminal-text.ts';
import type { VerifyFlags } from './verify/verify.ts';
import type { WebhookFlags } from './webhook/webhook.ts';
import type { StartFlags } from './workflow/commands.ts';
import type { WorkflowFlags } from './workflow/session.ts';
import type { WorkflowsFlags } from './workflows.ts';

interface Flags {
  readonly port?: string;
  readonly host?: string;
  readonly dir?: string;
  readonly otlpPort?: string;
  readonly config?: string;
  readonly json?: boolean;
  readonly store?: string;
}

interface ArtifactFlags extends WorkflowFlags {
  readonly metadata?: string;
  readonly url?: string;
}

/** Commands of a service, which is set up in its directory. The others run in any checkout. */
const OF_SERVICE: ReadonlySet<string> = new Set([
  'start',
  'serve',
  'worker',
  'config',
  'doctor',
  'webhook',
  'prune',
]);

/** Runs the command that the arguments name, and returns its exit code. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  applyEnvFile(OF_SERVICE.has(argv[2] ?? '') ? 'service' : 'checkout');
  let exitCode = 0;
  const ends = (code: number): void => {
    exitCode = code;
  };
  const program = new Command('tasktrail')
    .description('Observability for tasks that agents run.')
    .version(readVersion())
    // Options behind the command of `run` belong to that command.
    .enablePositionalOptions()
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .configureOutput({
      outputError: (text, write) => write(escapeText(text.replace(/^error: /, 'tasktrail: '))),
    })
    // Names alone: a command's own help has its arguments.
    .configureHelp({ subcommandTerm: (command) => command.name() });
  addService(program, ends);
  addTasks(program, ends);
  addRecords(program, argv, ends);
  addWorkflow(program.command('workflow'), ends);
  addWorkflows(program, ends);
  program.commandsGroup('Help:').helpCommand(true);
  completeHelp(program);
  let running = program;
  program.hook('preAction', (_, command) => {
    running = command;
  });
  try {
    await program.parseAsync([...withoutOptionWords(argv)]);
  } catch (error) {
    return reportError(error, helpOf(running));
  }
  return exitCode;
}

type Ends = (code: number) => void;

function addService(program: Command, ends: Ends): void {
  program.commandsGroup('Service:');
  withSettings(program.command('start'))
    .description('run the service: webhooks, queue, agents, REST, OTLP receiver')
    .action(async (flags: Flags) => (await import('./start.ts')).start(settingsOf(flags), flags.config));
  withSettings(program.command('serve'))
    .option('--store <address>', 'keep records in VictoriaLogs instead of files (TASK_LOGS_STORE_URL)')
    .description('run the service without agents: its tasks wait in Redis')
    .action(async (flags: Flags) =>
      (await import('./start.ts')).start(
        { ...settingsOf(flags), TASK_LOGS_STORE_URL: flags.store },
        flags.config,
        'serve',
      ),
    );
  withConfigFile(withDirectory(program.command('worker')))
    .description('take tasks from Redis (REDIS_URL) and run their agents')
    .action(async (flags: Flags) =>
      (await import('./start.ts')).start(settingsOf(flags), flags.config, 'worker'),
    );
  program
    .command('demo')
    .description('send one GitHub webhook through the service to a sample agent')
    .option('--keep-running', 'leave the service running afterwards, until Ctrl-C (default: in a terminal)')
    .option('--exit', 'end when the run is over, also in a terminal')
    .action(async (options: { keepRunning?: boolean; exit?: boolean }) => {
      const stays = options.keepRunning === true || (process.stdout.isTTY && options.exit !== true);
      return ends(await (await import('./demo/demo.ts')).demo(stays));
    });
  withSettings(program.command('config'))
    .description('show the settings in force, and where each comes from')
    .option('--json', 'print JSON')
    .option('--accept', 'let the next start use the configuration files as they are now')
    .action(async (flags: Flags & { accept?: boolean }) => {
      const { acceptConfig, printConfig } = await import('./config.ts');
      if (flags.accept === true) return acceptConfig(settingsOf(flags), flags.config);
      return printConfig(settingsOf(flags), { path: flags.config, json: flags.json === true });
    });
  withSettings(program.command('doctor'))
    .option('--store <address>', 'as of serve (TASK_LOGS_STORE_URL)')
    .description('check the setup (ports, disk, Redis, ...) and say what to do')
    .option('--json', 'print JSON')
    .action(async (flags: Flags) =>
      ends(
        await (await import('./doctor.ts')).doctor(
          { ...settingsOf(flags), TASK_LOGS_STORE_URL: flags.store },
          flags.config,
          {
            json: flags.json === true,
          },
        ),
      ),
    );
  withConfigFile(program.command('webhook <name>'))
    .description('send a signed webhook to a running service, to try a setup')
    .requiredOption('--text <text>', "what the comment says: '@agent review'")
    .option('--url <address>', 'the address of the service (default: of HOST and PORT)')
    .option('--port <port>', `the port of the service (PORT, default: ${SETTINGS.PORT.default})`)
    .option('--key <file>', 'the private key for a webhook with Ed25519, as PEM')
    .option('--dry-run', 'only print the request')
    .action(async (name: string, flags: Flags & WebhookFlags) =>
      ends(await (await import('./webhook/webhook.ts')).sendWebhook(name, flags, { PORT: flags.port })),
    );
  withConfigFile(program.command('redact'))
    .description('print standard input with its secrets masked, as it would be recorded')
    .option('--json', 'print the summary on standard error as JSON')
    .action(async (flags: Flags) =>
      ends(
        await (await import('./redact.ts')).redactInput({
          json: flags.json === true,
          configFile: flags.config,
        }),
      ),
    );
  withConfigFile(withDirectory(program.command('prune')))
    .description('remove tasks and workflows that are past their retention')
    .option('--dry-run', 'only list what would be removed')
    .option('--json', 'print JSON')
    .action(async (flags: Flags & { dryRun?: boolean }) => {
      const options = { dryRun: flags.dryRun === true, json: flags.json === true };
      ends(await (await import('./prune.ts')).prune(settingsOf(flags), flags.config, options));
    });
  addKeeping(program, ends);
}

function addKeeping(program: Command, ends: Ends): void {
  withConfigFile(withDirectory(program.command('verify [task_id]')))
    .description('check the files of the log directory against each other')
    .option('--workflow <id>', 'only this workflow')
    .option('--since <time>', 'only tasks created at or after: 2h, 3d, or ISO 8601')
    .option('--until <time>', 'only tasks created before: 2h, 3d, or ISO 8601')
    .option('--s3', 'the objects in S3 too')
    .option('--json', 'one JSON object per finding')
    .action(async (id: string | undefined, flags: VerifyFlags) =>
      ends(await (await import('./verify/verify.ts')).verify(id, flags)),
    );
  addStore(program, ends);
}

function addTasks(program: Command, ends: Ends): void {
  program.commandsGroup('Tasks:');
  addRun(program, ends);
  withDirectory(program.command('tasks [query...]'))
    .description(
      'list tasks, newest first: words, "phrases", status:failed, cost:>0.5, repo:acme/x, tool:Bash',
    )
    .option('--status <status>', `${TASK_STATUSES.join(', ')}, or several with commas`)
    .option('--source <source>', 'where they came from: webhook, api, cli')
    .option('--provider <provider>', 'github, jira, slack, ...')
    .option('--agent <name>', 'the agent that they are assigned to')
    .option('--since <time>', 'created at or after: 2h, 3d, or ISO 8601')
    .option('--until <time>', 'created before: 2h, 3d, or ISO 8601')
    .option('--sort <order>', `highest first: ${TASK_SORTS.join(', ')}`)
    .option('--limit <number>', 'how many at most (default: 20)')
    .option('--all', 'no limit')
    .option('--json', 'one JSON object per line, with the result')
    .action(async (query: string[], flags: TasksFlags) =>
      ends(await (await import('./tasks.ts')).printTasks(query, flags)),
    );
  withDirectory(program.command('stats [query...]'))
    .description('count tasks, their success, cost and duration by group; a query as in tasks')
    .option('--group-by <groups>', `up to three of ${STATS_GROUPS.join(',')} (default: day)`)
    .option('--since <time>', 'created at or after: 2h, 3d, or ISO 8601')
    .option('--until <time>', 'created before: 2h, 3d, or ISO 8601')
    .option('--json', 'one JSON object per line')
    .action(async (query: string[], flags: StatsFlags) =>
      ends(await (await import('./stats.ts')).printStats(query, flags)),
    );
  withDirectory(program.command('logs [task_id]'))
    .description("print a task's stages, output and result")
    .option('-f, --follow', 'print new lines as they come, until the task is over')
    .option('--type <types>', 'only these: stage,output,tool_call,error,final, ...')
    .option('--json', 'print the lines as they are stored')
    .action(async (taskId: string | undefined, flags: LogsFlags) =>
      ends(await (await import('./logs.ts')).printLogs(taskId, flags)),
    );
  addPage(program, ends);
  withDirectory(program.command('diff <a> <b>'))
    .description('show two tasks, or two attempts of one, side by side')
    .option('--attempt <number>', 'the attempt of a (default: its last one)')
    .option('--with-attempt <number>', 'the attempt of b, where b is a task (default: its last one)')
    .option('--all', 'also what is the same')
    .option('--json', 'print JSON')
    .action(async (a: string, b: string, flags: DiffFlags) =>
      ends(await (await import('./diff.ts')).printDiff(a, b, flags)),
    );
  addMcp(program, ends);
}

function addMcp(program: Command, ends: Ends): void {
  withDirectory(program.command('mcp'))
    .description('serve the tasks to a coding assistant: MCP on standard input and output')
    .action(async (flags: Flags) => ends(await (await import('./mcp.ts')).serveStandardStreams(flags.dir)));
}

function addRun(program: Command, ends: Ends): void {
  withConfigFile(withDirectory(program.command('run [command...]')))
    .usage('[options] -- <command...>')
    .description('run an agent as a task; its output and exit code are passed on')
    .option('--message <text>', "the agent's input, also {message} (default: piped input)")
    .option(
      '--dialect <name>',
      'output format (default: auto): claude, codex, cursor, gemini, opencode, qwen, text',
    )
    .option('--name <agent>', "the agent's name in the records (default: its program's)")
    .option('--cwd <directory>', 'the working directory')
    .option('--timeout <seconds>', 'end the agent after this time, with exit code 124')
    .option('--telemetry', "switch on the agent's own telemetry, as part of the task")
    .option('--source <name>', 'where the task comes from (default: cli)')
    .option('--verbose', 'print a summary at the end, also without a terminal')
    .passThroughOptions()
    .action(async (command: string[], flags: RunFlags) =>
      ends(await (await import('./run/run.ts')).run(command, flags)),
    );
}

function addRecords(program: Command, argv: readonly string[], ends: Ends): void {
  program.commandsGroup('Records and workflows:');
  // For the list of commands and for `help emit`: `main.ts` runs `emit` without loading this file.
  program
    .command('emit <event_type> <workflow_id> [payload]')
    .description('record one workflow event and print it')
    .allowUnknownOption()
    .helpOption(false)
    .action(async () => ends(await (await import('./emit.ts')).emit(argv.slice(3))));
  withDirectory(program.command('send'))
    .description('store and send the records that wait in the journal')
    .option('--timeout <seconds>', 'how long at most (default: 10)')
    .option('--no-store', 'only send: leave what waits for the log directory')
    // For commands that record: see `deliverSegments`.
    .addOption(new Option('--segments <ids>').hideHelp())
    .action(async (flags: Flags & SendFlags) =>
      ends(await (await import('./send.ts')).send(settingsOf(flags), flags)),
    );
}

function addWorkflow(workflow: Command, ends: Ends): void {
  workflow.description('record a workflow step by step').configureHelp({ subcommandTerm: termOf });
  const load = async (): Promise<typeof import('./workflow/commands.ts')> => import('./workflow/commands.ts');
  withDirectory(workflow.command('start'))
    .description('start or resume a workflow, and print its id')
    .option('--name <name>', 'the kind of workflow')
    .option('--work-item <id>', 'the issue or ticket that it works on')
    .option('--id <workflow_id>', 'an id of your own, or of an earlier workflow to resume')
    .option('--branch <branch>', 'the branch that it works on')
    .option('--autonomy <level>', 'how much it may do without asking')
    .option('--phases <names>', 'the planned phases: a,b,c')
    .option('--task <id>', 'the task that it belongs to (TASK_LOGS_TASK_ID)')
    .action(async (flags: StartFlags) => ends(await (await load()).startWorkflow(flags)));
  withWorkflow(workflow.command('phase <name>'))
    .description('end the open phase and its steps, begin this one')
    .option('--steps <names>', 'the planned steps: a,b,c')
    .action(async (name: string, flags: WorkflowFlags & { steps?: string }) =>
      ends(await (await load()).beginPhase(name, flags)),
    );
  withWorkflow(workflow.command('step <name> [command...]'))
    .description('end the open step, begin this one or run its command')
    .option('--skill <name>', 'the skill or agent that does the step')
    .action(async (name: string, command: string[], flags: WorkflowFlags & { skill?: string }) =>
      ends(await (await load()).beginStep(name, command, flags)),
    );
  withWorkflow(workflow.command('done'))
    .description('end the innermost open step, else the open phase')
    .addOption(status('how it ended', ['success', 'warning', 'failure', 'pending_input']))
    .option('--error <text>', 'what went wrong')
    .action(async (flags: WorkflowFlags & { status?: string; error?: string }) =>
      ends(await (await load()).endInnermost(flags)),
    );
  withWorkflow(workflow.command('artifact <type> [path]'))
    .description('record a file or an address that the open step made')
    .option('--url <url>', 'its address, where it is not a file')
    .option('--metadata <json>', 'a JSON object')
    .action(async (type: string, path: string | undefined, flags: ArtifactFlags) =>
      ends(await (await load()).addArtifact(type, path, flags)),
    );
  withWorkflow(workflow.command('complete'))
    .description('end the workflow and everything that is open in it')
    .addOption(status('default: from its phases', ['success', 'warning', 'failure', 'cancelled']))
    .action(async (flags: WorkflowFlags & { status?: string }) =>
      ends(await (await load()).completeWorkflow(flags)),
    );
  withWorkflow(workflow.command('status'))
    .description('print the recorded workflow as JSON')
    .action(async (flags: WorkflowFlags) => ends(await (await load()).printStatus(flags)));
}

function addWorkflows(program: Command, ends: Ends): void {
  withDirectory(program.command('workflows [workflow_id]'))
    .description('list workflows, newest first, or show one')
    .option('--status <status>', 'running, waiting, success, failure, ...')
    .option('--work-item <id>', 'the issue or ticket that they work on')
    .option('--project <name>', 'the project that they belong to')
    .option('--query <query>', 'words, "phrases", status:failure, phase:build, task:task-1, duration:>5m')
    .option('--sort <order>', `highest first: ${WORKFLOW_SORTS.join(', ')}`)
    .option('--since <time>', 'started at or after: 2h, 3d, or ISO 8601')
    .option('--until <time>', 'started before: 2h, 3d, or ISO 8601')
    .option('--limit <number>', 'how many at most (default: 20)')
    .option('--json', 'one JSON object per line')
    .action(async (id: string | undefined, flags: WorkflowsFlags) =>
      ends(await (await import('./workflows.ts')).printWorkflows(id, flags)),
    );
}

function status(description: string, choices: readonly string[]): Option {
  return new Option('--status <status>', description).choices(choices);
}

function withDirectory(command: Command): Command {
  return command.option('--dir <directory>', 'the log directory (TASK_LOGS_DIR)');
}

function withConfigFile(command: Command): Command {
  return command.option('--config <file>', 'the configuration file (default: tasktrail.config.json)');
}

function withWorkflow(command: Command): Command {
  return withDirectory(command).option(
    '--workflow <id>',
    'its id (TASK_LOGS_WORKFLOW_ID, default: the last started)',
  );
}

function withSettings(command: Command): Command {
  const { HOST, PORT, TASK_LOGS_OTLP_PORT } = SETTINGS;
  const settings = withDirectory(command)
    .option('--port <port>', `the port of webhooks and REST (PORT, default: ${PORT.default})`)
    .option('--host <host>', `the address to listen on (HOST, default: ${HOST.default})`)
    .option(
      '--otlp-port <port>',
      `the OTLP receiver (TASK_LOGS_OTLP_PORT, default: ${TASK_LOGS_OTLP_PORT.default})`,
    );
  return withConfigFile(settings);
}

function settingsOf(flags: Flags): Record<string, string | undefined> {
  return {
    PORT: flags.port,
    HOST: flags.host,
    TASK_LOGS_DIR: flags.dir,
    TASK_LOGS_OTLP_PORT: flags.otlpPort,
  };
}
