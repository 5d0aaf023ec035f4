import { Command, Option } from 'commander';
import { applyEnvFile } from '../config/environment.ts';
import { SETTINGS } from '../config/settings.ts';
import { reportError } from './exit-code.ts';
import type { LogsFlags } from './logs.ts';
import type { RunFlags } from './run/run.ts';
import type { TasksFlags } from './tasks.ts';
import { readVersion } from './version.ts';
import type { StartFlags } from './workflow/commands.ts';
import type { WorkflowFlags } from './workflow/session.ts';

/** Flags that name a setting, by the setting. */
interface Flags {
  readonly port?: string;
  readonly host?: string;
  readonly dir?: string;
  readonly otlpPort?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Runs the command that the words name, and gives its exit code. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  applyEnvFile();
  let exitCode = 0;
  const program = new Command('tasktrail')
    .description('Observability for tasks that agents run.')
    .version(readVersion())
    // The words of `run`'s command are that command's own.
    .enablePositionalOptions()
    // Words that no command understands are the caller's to mend.
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  const ends = (code: number): void => {
    exitCode = code;
  };
  addService(program, ends);
  addTasks(program, ends);
  addRecords(program, argv, ends);
  addWorkflow(
    program.command('workflow').description('records a workflow step by step, and keeps its ids'),
    ends,
  );
  pointToHelp(program, 'tasktrail');
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    return reportError(error);
  }
  return exitCode;
}

type Ends = (code: number) => void;

function addService(program: Command, ends: Ends): void {
  withSettings(program.command('start'))
    .description('the service: webhooks, queue, agents, REST API and OTLP receiver in one')
    .action(async (flags: Flags) => (await import('./start.ts')).start(settingsOf(flags), flags.config));
  withSettings(program.command('serve'))
    .description('the service without the work: its tasks wait in the Redis at REDIS_URL for workers')
    .action(async (flags: Flags) =>
      (await import('./start.ts')).start(settingsOf(flags), flags.config, 'serve'),
    );
  withDirectory(program.command('worker'))
    .description('takes tasks from the Redis at REDIS_URL and runs their agents')
    .option('--config <file>', 'the configuration file (tasktrail.config.json)')
    .action(async (flags: Flags) =>
      (await import('./start.ts')).start(settingsOf(flags), flags.config, 'worker'),
    );
  program
    .command('demo')
    .description('one real GitHub webhook through the whole service, with a sample agent')
    .option('--keep-running', 'leave the service running afterwards, until Ctrl-C')
    .action(async (options: { keepRunning?: boolean }) =>
      ends(await (await import('./demo.ts')).demo(options.keepRunning === true)),
    );
  withSettings(program.command('config'))
    .description('the settings in force, and where each comes from')
    .option('--json', 'print JSON')
    .action(async (flags: Flags) =>
      (await import('./config.ts')).printConfig(settingsOf(flags), {
        path: flags.config,
        json: flags.json === true,
      }),
    );
  withSettings(program.command('doctor'))
    .description('what is wrong with the setup (ports, disk, endpoint, Redis, S3, ...), and what to do')
    .option('--json', 'print JSON')
    .action(async (flags: Flags) =>
      ends(
        await (await import('./doctor.ts')).doctor(settingsOf(flags), flags.config, {
          json: flags.json === true,
        }),
      ),
    );
  withDirectory(program.command('prune'))
    .description('removes what is older than its retention')
    .option('--dry-run', 'only list what would go')
    .option('--json', 'print JSON')
    .option('--config <file>', 'the configuration file (tasktrail.config.json)')
    .action(async (flags: Flags & { dryRun?: boolean }) => {
      const options = { dryRun: flags.dryRun === true, json: flags.json === true };
      ends(await (await import('./prune.ts')).prune(settingsOf(flags), flags.config, options));
    });
}

function addTasks(program: Command, ends: Ends): void {
  withDirectory(program.command('run [command...]'))
    .usage('[options] -- <command...>')
    .description('runs an agent as a task: its output stays on the terminal, its exit code is passed on')
    .option(
      '--message <text>',
      'what it is asked: its standard input, and {message} in the command (what is piped in)',
    )
    .option(
      '--dialect <name>',
      'how its output is read (by the command: claude, codex, gemini, opencode, text)',
    )
    .option('--name <agent>', "the agent's name in the records (its program's)")
    .option('--cwd <directory>', 'where it runs')
    .option('--timeout <seconds>', 'ends it after that long; the exit code is 124 then')
    .option('--telemetry', 'switches on its own telemetry, which lands in the same task')
    .option('--source <name>', 'where the task comes from (cli)')
    .option('--config <file>', 'the configuration file (tasktrail.config.json)')
    .option('--verbose', 'say at the end what was recorded, also without a terminal')
    .passThroughOptions()
    .action(async (command: string[], flags: RunFlags) =>
      ends(await (await import('./run/run.ts')).run(command, flags)),
    );
  withDirectory(program.command('tasks'))
    .description('lists tasks, newest first')
    .option('--status <status>', 'queued, running, waiting_input, completed, failed, cancelled or abandoned')
    .option('--source <source>', 'where they came from: webhook, api, cli')
    .option('--provider <provider>', 'github, jira, slack, ...')
    .option('--agent <name>', 'who worked on them')
    .option('--since <time>', 'created at or after: 2h, 3d, or ISO 8601')
    .option('--until <time>', 'created before it')
    .option('--limit <number>', 'how many at most (20)')
    .option('--all', 'all of them')
    .option('--json', 'one JSON object a line: metadata, success, error, metrics')
    .action(async (flags: TasksFlags) => ends(await (await import('./tasks.ts')).printTasks(flags)));
  withDirectory(program.command('logs [task_id]'))
    .description("prints a task's stages, output and result; the newest task's without an id")
    .option('-f, --follow', 'go on until the task is over')
    .option(
      '--type <types>',
      'only these: stage, output, tool_call, error, final, ... with commas between them',
    )
    .option('--json', 'the lines as they are stored')
    .action(async (taskId: string | undefined, flags: LogsFlags) =>
      ends(await (await import('./logs.ts')).printLogs(taskId, flags)),
    );
}

/** What is wrong with a command's words is explained by its own help. */
function pointToHelp(command: Command, words: string): void {
  command.showHelpAfterError(`(see ${words} --help)`);
  for (const sub of command.commands) pointToHelp(sub, `${words} ${sub.name()}`);
}

function addRecords(program: Command, argv: readonly string[], ends: Ends): void {
  // Here for the list of commands and for `help emit`: `main.ts` runs it before any of this is loaded.
  program
    .command('emit <event_type> <workflow_id> [payload]')
    .description('records one workflow event and prints it (its options: tasktrail emit --help)')
    .allowUnknownOption()
    .helpOption(false)
    .action(async () => ends(await (await import('./emit.ts')).emit(argv.slice(3))));
  withDirectory(program.command('send'))
    .description('sends what emit and ended processes left in the journal')
    .option('--timeout <seconds>', 'how long at most (10)')
    .action(async (flags: Flags & { timeout?: string }) =>
      ends(await (await import('./send.ts')).send(settingsOf(flags), flags.timeout)),
    );
}

function addWorkflow(workflow: Command, ends: Ends): void {
  const load = async (): Promise<typeof import('./workflow/commands.ts')> => import('./workflow/commands.ts');
  withDirectory(workflow.command('start'))
    .description('starts a workflow and prints its id; with the id of an earlier one, goes on with that')
    .option('--name <name>', 'what kind of workflow it is')
    .option('--work-item <id>', 'the issue or ticket that it works on')
    .option('--id <workflow_id>', 'an id of your own')
    .option('--branch <branch>')
    .option('--autonomy <level>')
    .option('--phases <names>', 'the phases that are planned: a,b,c')
    .option('--task <id>', 'the task that it belongs to (TASK_LOGS_TASK_ID)')
    .action(async (flags: StartFlags) => ends(await (await load()).startWorkflow(flags)));
  withWorkflow(workflow.command('phase <name>'))
    .description('ends the open phase and its steps, and begins one')
    .option('--steps <names>', 'the steps that are planned: a,b,c')
    .action(async (name: string, flags: WorkflowFlags & { steps?: string }) =>
      ends(await (await load()).beginPhase(name, flags)),
    );
  withWorkflow(workflow.command('step <name> [command...]'))
    .description(
      'ends the open step, and begins one; with "-- command", runs it and ends the step by its exit code',
    )
    .option('--skill <name>', 'what does the step')
    .action(async (name: string, command: string[], flags: WorkflowFlags & { skill?: string }) =>
      ends(await (await load()).beginStep(name, command, flags)),
    );
  withWorkflow(workflow.command('done'))
    .description('ends the innermost open step, else the phase')
    .addOption(
      new Option('--status <status>', 'how it ended').choices([
        'success',
        'warning',
        'failure',
        'pending_input',
      ]),
    )
    .option('--error <text>', 'what went wrong')
    .action(async (flags: WorkflowFlags & { status?: string; error?: string }) =>
      ends(await (await load()).endInnermost(flags)),
    );
  withWorkflow(workflow.command('artifact <type> [path]'))
    .description('records what the open step has made')
    .option('--url <url>', 'where it is, if it is no file')
    .option('--metadata <json>', 'a JSON object')
    .action(
      async (
        type: string,
        path: string | undefined,
        flags: WorkflowFlags & { metadata?: string; url?: string },
      ) => ends(await (await load()).addArtifact(type, path, flags)),
    );
  withWorkflow(workflow.command('complete'))
    .description('ends everything that is open, and the workflow')
    .addOption(
      new Option('--status <status>', 'instead of what the phases say').choices([
        'success',
        'warning',
        'failure',
        'cancelled',
      ]),
    )
    .action(async (flags: WorkflowFlags & { status?: string }) =>
      ends(await (await load()).completeWorkflow(flags)),
    );
  withWorkflow(workflow.command('status'))
    .description('prints what is kept of the workflow, as JSON')
    .action(async (flags: WorkflowFlags) => ends(await (await load()).printStatus(flags)));
}

function withDirectory(command: Command): Command {
  return command.addOption(new Option('--dir <directory>', 'TASK_LOGS_DIR: where the files go'));
}

function withWorkflow(command: Command): Command {
  return withDirectory(command).addOption(
    new Option(
      '--workflow <id>',
      'TASK_LOGS_WORKFLOW_ID: which one (the last that was started in this project)',
    ),
  );
}

function withSettings(command: Command): Command {
  const { HOST, PORT, TASK_LOGS_OTLP_PORT } = SETTINGS;
  return withDirectory(command)
    .addOption(new Option('--port <port>', `PORT: webhooks and REST (${PORT.default})`))
    .addOption(new Option('--host <host>', `HOST: address to listen on (${HOST.default})`))
    .addOption(
      new Option(
        '--otlp-port <port>',
        `TASK_LOGS_OTLP_PORT: the OTLP receiver (${TASK_LOGS_OTLP_PORT.default})`,
      ),
    )
    .addOption(new Option('--config <file>', 'the configuration file (tasktrail.config.json)'));
}

function settingsOf(flags: Flags): Record<string, string | undefined> {
  return {
    PORT: flags.port,
    HOST: flags.host,
    TASK_LOGS_DIR: flags.dir,
    TASK_LOGS_OTLP_PORT: flags.otlpPort,
  };
}
