import type { Command } from 'commander';
import type { ExportFlags } from './export.ts';
import type { OpenFlags } from './open.ts';

const DIRECTORY = ['--dir <directory>', 'the log directory (TASK_LOGS_DIR)'] as const;

/** Commands that lead to the page, or show a run without it. */
export function addPage(program: Command, ends: (code: number) => void): void {
  program
    .command('open [id]')
    .description('open the page of the running service, or of one task or workflow on it')
    .option(...DIRECTORY)
    .option('--print', 'only print the address')
    .action(async (id: string | undefined, flags: OpenFlags) =>
      ends(await (await import('./open.ts')).openPage(id, flags)),
    );
  program
    .command('export <task_id>')
    .description('write a run as one HTML file that needs nothing else, to standard output')
    .option(...DIRECTORY)
    .action(async (id: string, flags: ExportFlags) =>
      ends(await (await import('./export.ts')).exportRun(id, flags)),
    );
}
