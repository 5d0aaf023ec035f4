import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { loadConfig } from '../config/config.ts';
import { errnoOf, TasktrailError } from '../errors.ts';
import { runFile } from '../page/run-file/run-file.ts';
import { openRecords } from './open-records.ts';
import { pickTask } from './task-pick.ts';
import { escapeLine } from './terminal/terminal-text.ts';

export interface ExportFlags {
  readonly dir?: string;
}

/** Writes a run as one HTML file to standard output, from its files: no service has to run. */
export async function exportRun(wanted: string, flags: ExportFlags): Promise<number> {
  if (process.stdout.isTTY)
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      'this would print HTML: write it to a file with "> run.html"',
    );
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  const { place: logDir, reader, names } = await openRecords(config, flags.dir);
  const taskId = await pickTask({ logDir, reader, names }, wanted);
  const text = taskId === undefined ? undefined : await runFile(reader, taskId);
  if (text === undefined)
    throw new TasktrailError(
      'ERR_NOT_FOUND',
      `there is no task ${escapeLine(wanted)} in ${escapeLine(logDir)}: "tasktrail tasks" lists them, --dir names another directory`,
    );
  try {
    await pipeline(Readable.from(text), process.stdout, { end: false });
  } catch (error) {
    // The reader has ended: `| head`.
    if (errnoOf(error) !== 'EPIPE') throw error;
  }
  return 0;
}
