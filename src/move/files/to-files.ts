import { renameSync } from 'node:fs';
import { lutimes, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isPathSafeId, isWorkflowId } from '../../model/ids.ts';
import { gzipPath, LARGE_FILES } from '../../store/compress.ts';
import { DAY_FILE, OWN_NAMES, TASK_FILES, type TaskFile, taskDir } from '../../store/layout.ts';
import { Liveness } from '../../store/write/liveness.ts';
import { OpenTask } from '../../store/write/task/open-task.ts';
import { makeDirectory, replaceFile, replaceFiles } from '../../system/durable.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import { syncDirectory } from '../../system/files/sync-directory.ts';
import { type LineKind, storedLine } from '../../warehouse/write/stored-lines.ts';
import type { MoveReport } from '../move-report.ts';
import { nameOfLine, type RowStore, type RowUnit } from '../rows/row-store.ts';
import { linesIn, openOrReport, reporting } from '../source-errors.ts';
import { LINES_OF, type Unit, type UnitKind } from '../unit.ts';
import { type Content, piecesOf } from './content.ts';
import { lineKey } from './file-lines.ts';
import type { FileUnit, LogDirectory } from './log-directory.ts';
import { WorkflowFiles } from './workflow-files.ts';

/** Longer than the wait for late spans: what has ended is settled. */
const SETTLED_MS = 12_000;

/** A task whose lines are as new as its metadata is opened again at the next start. */
const LINES_BEFORE_MS = 5_000;

const FILES: Partial<Readonly<Record<LineKind, TaskFile>>> = {
  fact: 'facts',
  stage: 'webhookFlow',
  output: 'agentOutput',
  span: 'trace',
};

/** Whether an id may become the name of a file. Other programs may store rows in a VictoriaLogs. */
const IS_NAME: Readonly<Record<UnitKind, (id: string) => boolean>> = {
  task: isPathSafeId,
  workflow: isWorkflowId,
  day: (id) => DAY_FILE.test(`${id}.jsonl`),
};

export interface ToFilesOptions {
  readonly rows: RowStore;
  readonly directory: LogDirectory;
  /** Whether lines are added to a task or workflow of the directory that has lines which VictoriaLogs does not have. */
  readonly mayMerge: boolean;
  readonly report: MoveReport;
}

interface Found {
  /** Undefined when there is nothing to write. */
  readonly content: Content | undefined;
  readonly fresh: number;
  readonly there: number;
}

/**
 * Makes files of the lines in VictoriaLogs. A task appears in the directory when all of its files are made; other files are
 * replaced as a whole. So a move that was killed goes on where it was.
 */
export class ToFiles {
  readonly #options: ToFilesOptions;
  readonly #staging: string;
  readonly #liveness = new Liveness();
  readonly #workflows: WorkflowFiles;

  constructor(options: ToFilesOptions) {
    this.#options = options;
    this.#staging = join(options.directory.logDir, OWN_NAMES.moving);
    this.#workflows = new WorkflowFiles(options.directory);
  }

  /** Moves units of one part. May be called again with the same ones after an error of the source. */
  async move(kind: UnitKind, ids: readonly string[]): Promise<void> {
    const { rows, report } = this.#options;
    const safe = ids.filter((id) => {
      if (IS_NAME[kind](id)) return true;
      report.add({ kind, id }, 'it was not moved: its id cannot be the name of a file');
      return false;
    });
    // Several at once: each waits for the disk many times.
    await mapBounded([...(await rows.read(kind, safe))], ([id, rowUnit]) =>
      reporting({ kind, id }, report, () => this.#move({ kind, id }, rowUnit)),
    );
  }

  /** Removes what a killed move has left. */
  async end(): Promise<void> {
    await rm(this.#staging, { recursive: true, force: true });
  }

  async #move(unit: Unit, rowUnit: RowUnit): Promise<void> {
    const { directory, report } = this.#options;
    if (rowUnit.damaged > 0) report.add(unit, `${rowUnit.damaged} line(s) of it lack a part`);
    const files = await openOrReport(directory, unit, report);
    try {
      const found = await this.#contentOf(unit, { rowUnit, files });
      if (found === undefined) return;
      const { content, fresh, there } = found;
      report.there += there;
      report.stored += fresh;
      if (content === undefined) return;
      if (unit.kind === 'workflow') await this.#workflows.write(unit.id, content, files !== undefined);
      else if (unit.kind === 'day') {
        const path = join(directory.logDir, OWN_NAMES.webhooks, `${unit.id}.jsonl`);
        await makeDirectory(dirname(path));
        await replaceFile(path, piecesOf(content, 'delivery'));
      } else if (files === undefined) await this.#makeTask(unit.id, content);
      else await this.#completeTask(unit.id, content);
    } finally {
      await files?.close();
    }
  }

  /** Undefined when nothing may be written. */
  async #contentOf(
    unit: Unit,
    { rowUnit, files }: { readonly rowUnit: RowUnit; readonly files: FileUnit | undefined },
  ): Promise<Found | undefined> {
    const { report, mayMerge } = this.#options;
    const keys = new Set<string>();
    let fresh = 0;
    let there = 0;
    for (const kind of LINES_OF[unit.kind])
      for await (const texts of rowUnit.texts(kind))
        for (const text of texts) {
          const line = files && storedLine(kind, unit.id, text);
          const key = line && lineKey(line);
          if (key !== undefined) keys.add(nameOfLine(kind, key));
          if (key !== undefined && files?.has(kind, key) === true) there += 1;
          else fresh += 1;
        }
    const more = new Map<LineKind, string[]>();
    const content = { unit: rowUnit, more };
    if (files === undefined) return { content, fresh, there };
    let strange = 0;
    for await (const lines of linesIn(files))
      for (const line of lines) {
        const kind = line.kind as LineKind;
        if (keys.has(nameOfLine(kind, lineKey(line)))) continue;
        strange += 1;
        more.set(kind, [...(more.get(kind) ?? []), line.text]);
      }
    if (files.isNewer) report.add(unit, 'it was not moved: a newer version of tasktrail has written it');
    else if (strange > 0 && !mayMerge && unit.kind !== 'day')
      report.add(unit, `it was not moved: the target has ${strange} line(s) of it that the source has not`);
    else {
      const isMade = unit.kind !== 'workflow' || (await this.#workflows.isMade(unit.id));
      return { content: fresh === 0 && isMade ? undefined : content, fresh, there };
    }
    return undefined;
  }

  async #makeTask(id: string, content: Content): Promise<void> {
    const staged = taskDir(this.#staging, id);
    await rm(staged, { recursive: true, force: true });
    await makeDirectory(staged);
    await writeLines(staged, content);
    const nowMs = Date.now();
    const task = await OpenTask.open({ id, nowMs }, { logDir: this.#staging, liveness: this.#liveness });
    // Spans that are announced and missing are built by the holder of the directory.
    await task.tick(nowMs + SETTLED_MS);
    const { logDir } = this.#options.directory;
    renameSync(staged, taskDir(logDir, id));
    await syncDirectory(logDir);
  }

  /** The source has all lines that are there, or they are added to it. */
  async #completeTask(id: string, content: Content): Promise<void> {
    const dir = taskDir(this.#options.directory.logDir, id);
    await rm(join(dir, TASK_FILES.manifest), { force: true });
    await writeLines(dir, content, 0);
    for (const file of LARGE_FILES) await rm(gzipPath(join(dir, TASK_FILES[file])), { force: true });
    const nowMs = Date.now();
    const { logDir } = this.#options.directory;
    const task = await OpenTask.open({ id, nowMs }, { logDir, liveness: this.#liveness });
    await task.tick(nowMs + SETTLED_MS);
  }
}

/** All line files of a task, replaced together. */
async function writeLines(dir: string, content: Content, beforeMs = LINES_BEFORE_MS): Promise<void> {
  const files: { name: string; content: AsyncGenerator<Buffer> }[] = [];
  for (const [kind, file] of Object.entries(FILES) as [LineKind, TaskFile][]) {
    const pieces = piecesOf(content, kind);
    const first = await pieces.next();
    if (first.done !== true) files.push({ name: TASK_FILES[file], content: withFirst(first.value, pieces) });
  }
  await replaceFiles(dir, files);
  const time = new Date(Date.now() - beforeMs);
  if (beforeMs > 0) for (const { name } of files) await lutimes(join(dir, name), time, time);
}

async function* withFirst(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}
