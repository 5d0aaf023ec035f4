import type { Command } from 'commander';
import type { ImportFlags } from './import/import.ts';
import type { RebuildFlags } from './rebuild/rebuild.ts';

const CONFIG = ['--config <file>', 'the configuration file (default: tasktrail.config.json)'] as const;
const JSON_OUTPUT = ['--json', 'print JSON'] as const;

/** Commands that write a whole store. */
export function addStore(program: Command, ends: (code: number) => void): void {
  program
    .command('rebuild [task_id]')
    .description('make the files of tasks and workflows again, from their facts or an archive')
    .option('--dir <directory>', 'the log directory (TASK_LOGS_DIR)')
    .option(...CONFIG)
    .option(
      '--from <source>',
      'an archive of the records: a file, a folder, or s3://bucket/prefix (repeatable)',
      (source: string, before: readonly string[] = []) => [...before, source],
    )
    .option('--check', 'only say what would change')
    .option(...JSON_OUTPUT)
    .action(async (id: string | undefined, flags: RebuildFlags) =>
      ends(await (await import('./rebuild/rebuild.ts')).rebuild(id, flags)),
    );
  program
    .command('import')
    .description('copy all tasks, workflows and deliveries to a VictoriaLogs, or back to files')
    .option('--from <place>', 'a log directory, or victorialogs://host:port')
    .option('--to <place>', 'the other one')
    .option('--check', 'only compare both sides')
    .option('--merge', 'also add to tasks of which the target has lines that the source has not')
    .option('--wait <seconds>', 'how long VictoriaLogs may be away (default: 120)')
    .option(...JSON_OUTPUT)
    .option(...CONFIG)
    .action(async (flags: ImportFlags) =>
      ends(await (await import('./import/import.ts')).importRecords(flags)),
    );
}
