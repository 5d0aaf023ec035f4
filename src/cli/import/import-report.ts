import type { MoveReport } from '../../move/move-report.ts';
import { escapeJson, escapeLine } from '../terminal/terminal-text.ts';

interface Printing {
  readonly isCheck: boolean;
  readonly isJson: boolean;
}

/** Prints what was moved and what differs. Returns the exit code. */
export function printReport(report: MoveReport, { isCheck, isJson }: Printing): number {
  const { problems, units, stored, there, same } = report;
  if (isJson) {
    const json = {
      ...{ check: isCheck, tasks: units.task, workflows: units.workflow, days: units.day },
      ...{ lines_stored: stored, lines_there_before: there, lines_same: same, problems },
    };
    process.stdout.write(`${escapeJson(JSON.stringify(json))}\n`);
    return problems.length === 0 ? 0 : 1;
  }
  for (const { unit, what } of problems) process.stdout.write(`${escapeLine(`${unit}: ${what}`)}\n`);
  const moved = isCheck ? '' : `${stored} line(s) stored, ${there} were there before; `;
  const count = `${units.task} task(s), ${units.workflow} workflow(s), ${units.day} day(s) of deliveries`;
  const outcome = problems.length === 0 ? 'all are the same on both sides' : `${problems.length} problem(s)`;
  process.stdout.write(`${moved}${count}, ${same} line(s) compared: ${outcome}\n`);
  return problems.length === 0 ? 0 : 1;
}
