import { parseJson } from '../../model/json.ts';
import { isFactLine } from '../../store/write/lines/fact-line.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import type { VictoriaLogs } from '../../warehouse/client.ts';
import type { NewLine } from '../../warehouse/rows.ts';
import { RowWriter } from '../../warehouse/write/row-writer.ts';
import { createdIn, type MarkedTask, TaskMarks } from '../../warehouse/write/task-marks.ts';
import { lineKey } from '../files/file-lines.ts';
import type { FileUnit, LogDirectory } from '../files/log-directory.ts';
import type { MoveReport } from '../move-report.ts';
import { linesIn, openOrReport, reporting } from '../source-errors.ts';
import type { Unit, UnitKind } from '../unit.ts';
import { nameOfLine, RowStore, type StoredKeys } from './row-store.ts';

/** Characters of the lines in memory. */
const CHARS_MAX = 2 * 1_048_576;

export interface ToRowsOptions {
  readonly directory: LogDirectory;
  readonly logs: VictoriaLogs;
  /** Whether lines are added to a task or workflow of the target that has lines which the source does not have. */
  readonly mayMerge: boolean;
  readonly report: MoveReport;
}

/**
 * Stores the lines of files in VictoriaLogs. What the target has is asked for before, so that a move that was killed goes on where
 * it was; a line that it stored in its last second may be stored twice, and readers give it once.
 */
export class ToRows {
  readonly #options: ToRowsOptions;
  readonly #rows: RowStore;
  readonly #writer: RowWriter;
  readonly #marks = new TaskMarks();
  #lines: NewLine[] = [];
  #characters = 0;
  /** Of this call. */
  #stored = 0;
  #there = 0;

  constructor(options: ToRowsOptions) {
    this.#options = options;
    this.#rows = new RowStore(options.logs);
    this.#writer = new RowWriter(options.logs, Date.now);
  }

  /** Moves units of one part. May be called again with the same ones after an error of the target. */
  async move(kind: UnitKind, ids: readonly string[]): Promise<void> {
    const { directory, report } = this.#options;
    this.#lines = [];
    this.#characters = 0;
    this.#stored = 0;
    this.#there = 0;
    const keys = await this.#rows.keys(kind, ids);
    const units = await mapBounded(ids, async (id) => ({
      id,
      files: await openOrReport(directory, { kind, id }, report),
    }));
    try {
      for (const { id, files } of units) {
        const unit = { kind, id };
        if (files !== undefined) await reporting(unit, report, () => this.#move(unit, files, keys));
      }
      await this.#flush();
      report.stored += this.#stored;
      report.there += this.#there;
    } finally {
      for (const { files } of units) await files?.close();
    }
  }

  async #move(unit: Unit, files: FileUnit, { lines: stored, marks: storedMarks }: StoredKeys): Promise<void> {
    const { report, mayMerge } = this.#options;
    const known = stored.get(unit.id) ?? new Set<string>();
    for (const problem of files.problems) report.add(unit, problem);
    if (files.isNewer) {
      report.add(unit, 'it was not moved: a newer version of tasktrail has written it');
      return;
    }
    const strange = mayMerge || unit.kind === 'day' ? 0 : countStrange(known, files);
    if (strange > 0) {
      report.add(unit, `it was not moved: the target has ${strange} line(s) of it that the source has not`);
      return;
    }
    const marked = unit.kind === 'task' ? this.#marks.open(unit.id) : undefined;
    for await (const batch of linesIn(files))
      for (const line of batch) {
        see(marked, line);
        if (known.has(nameOfLine(line.kind as Exclude<NewLine['kind'], 'task'>, lineKey(line))))
          this.#there += 1;
        else {
          this.#stored += 1;
          await this.#add(line);
        }
      }
    for (const mark of marked?.marks() ?? []) {
      const there = storedMarks.get(`${unit.id} ${mark.sender}`);
      const { first, created } = mark.fields ?? {};
      if (there === undefined || isEarlier(first, there.first) || isEarlier(created, there.created))
        await this.#add(mark);
    }
  }

  /** `_time` is the time of now: VictoriaLogs would remove old lines at once by its retention otherwise. */
  async #add(line: NewLine): Promise<void> {
    this.#lines.push(line);
    this.#characters += line.text.length;
    if (this.#characters >= CHARS_MAX) await this.#flush();
  }

  async #flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    this.#characters = 0;
    await this.#writer.store(lines);
  }
}

function see(marked: MarkedTask | undefined, line: NewLine): void {
  if (marked === undefined) return;
  const fact = line.kind === 'fact' ? parseJson(line.text) : undefined;
  marked.see(line, isFactLine(fact) ? createdIn(fact) : undefined);
}

function isEarlier(time: string | undefined, stored: number): boolean {
  return time !== undefined && Number(time) < stored;
}

/** Lines of the target that the files do not have. */
function countStrange(known: ReadonlySet<string>, files: FileUnit): number {
  let count = 0;
  for (const name of known) {
    const [kind = '', ...key] = name.split(' ');
    if (!files.has(kind as Parameters<FileUnit['has']>[0], key.join(' '))) count += 1;
  }
  return count;
}
