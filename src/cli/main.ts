#!/usr/bin/env node
import { Command, Option } from 'commander';
import { TasktrailError } from '../errors.ts';
import { readVersion } from './version.ts';

/** Flags that name a setting, by the setting. */
interface Flags {
  readonly port?: string;
  readonly host?: string;
  readonly dir?: string;
  readonly otlpPort?: string;
  readonly config?: string;
  readonly json?: boolean;
}

// Above the commands: what is below them is not there yet when one of them fails.
/** 2: the caller's words or settings are wrong. Everything else is 1. */
const EXIT_CODES: Readonly<Partial<Record<TasktrailError['code'], number>>> = {
  ERR_CONFIG_INVALID: 2,
  ERR_ID_INVALID: 2,
  ERR_INPUT_INVALID: 2,
};

const program = new Command('tasktrail')
  .description('Observability for tasks that agents run.')
  .version(readVersion())
  .showHelpAfterError('(see tasktrail --help)');

withSettings(program.command('start'))
  .description('the service: webhooks, queue, agents, REST API and OTLP receiver in one')
  .action(async (flags: Flags) => (await import('./start.ts')).start(settingsOf(flags), flags.config));

program
  .command('demo')
  .description('one real GitHub webhook through the whole service, with a sample agent')
  .option('--keep-running', 'leave the service running afterwards, until Ctrl-C')
  .action(async (options: { keepRunning?: boolean }) => {
    process.exitCode = await (await import('./demo.ts')).demo(options.keepRunning === true);
  });

withSettings(program.command('config'))
  .description('the settings in force, and where each comes from')
  .option('--json', 'print JSON')
  .action(async (flags: Flags) =>
    (await import('./config.ts')).printConfig(settingsOf(flags), {
      path: flags.config,
      json: flags.json === true,
    }),
  );

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function withSettings(command: Command): Command {
  return command
    .addOption(new Option('--port <port>', 'PORT: webhooks and REST (8000)'))
    .addOption(new Option('--host <host>', 'HOST: address to listen on (127.0.0.1)'))
    .addOption(new Option('--dir <directory>', 'TASK_LOGS_DIR: where the files go'))
    .addOption(new Option('--otlp-port <port>', 'TASK_LOGS_OTLP_PORT: the OTLP receiver (4318)'))
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

/** What went wrong, what to do, and no stack: it is the user's to mend. A defect of ours keeps its stack. */
function report(error: unknown): number {
  if (!(error instanceof TasktrailError)) {
    process.stderr.write(
      `tasktrail: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return 70;
  }
  const [first = '', ...rest] = error.message.split('\n');
  process.stderr.write(`tasktrail: ${first}\n${rest.map((line) => `           ${line}\n`).join('')}`);
  return EXIT_CODES[error.code] ?? 1;
}
