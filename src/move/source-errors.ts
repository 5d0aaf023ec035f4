import { messageOf, TasktrailError } from '../errors.ts';
import type { NewLine } from '../warehouse/rows.ts';
import type { FileUnit, LogDirectory } from './files/log-directory.ts';
import type { MoveReport } from './move-report.ts';
import type { Unit } from './unit.ts';

/** A file that cannot be read concerns one unit: the others go on. Undefined when the unit is missing, or was reported. */
export async function openOrReport(
  directory: LogDirectory,
  unit: Unit,
  report: MoveReport,
): Promise<FileUnit | undefined> {
  try {
    return await directory.open(unit);
  } catch (error) {
    report.add(unit, `it cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

/** The lines of a unit. What goes wrong with its files is not retryable: an error of the target is. */
export async function* linesIn(unit: FileUnit): AsyncGenerator<readonly NewLine[]> {
  try {
    yield* unit.batches();
  } catch (error) {
    throw new TasktrailError('ERR_STORE_UNAVAILABLE', messageOf(error), { retryable: false, cause: error });
  }
}

/** Runs work on one unit; what goes wrong with its files is reported. */
export async function reporting(unit: Unit, report: MoveReport, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TasktrailError) || error.retryable) throw error;
    report.add(unit, `it was not moved: ${error.message}`);
  }
}
