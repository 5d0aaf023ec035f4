import { basename, join } from 'node:path';
import { isPathSafeId, isWorkflowId } from '../../model/ids.ts';
import { DAY_FILE, OWN_NAMES, TASK_FILES, type TaskFile, WORKFLOW_FILES } from '../../store/layout.ts';
import { openStored } from '../../store/stored-file.ts';
import { type OpenedLines, openTaskLines } from '../../store/task-file.ts';
import { WorkflowPlaces, workflowFile } from '../../store/workflow-place.ts';
import { namesIn, readableNamesIn } from '../../system/files/optional-files.ts';
import { readLines } from '../../system/lines.ts';
import type { NewLine } from '../../warehouse/rows.ts';
import type { LineKind } from '../../warehouse/write/stored-lines.ts';
import type { ListedUnit } from '../move-order.ts';
import type { Unit, UnitKind } from '../unit.ts';
import { FileLines, type FilePlace, lineKey } from './file-lines.ts';
import { lostEvents } from './lost-events.ts';
import { areNewer, readDocuments, TaskReading } from './task-reading.ts';

const TASK_LINES: readonly (readonly [LineKind, TaskFile])[] = [
  ['fact', 'facts'],
  ['stage', 'webhookFlow'],
  ['output', 'agentOutput'],
  ['span', 'trace'],
];

/** The lines of a unit in files. */
export interface FileUnit {
  /** What cannot be moved, in words. */
  readonly problems: readonly string[];
  /** Nothing of it may be moved: a newer version has written it. */
  readonly isNewer: boolean;
  /** Whether a line of this kind is there: `lineKey` names it. */
  has(kind: LineKind, key: string): boolean;
  /** The lines, each once. */
  batches(): AsyncGenerator<readonly NewLine[]>;
  close(): Promise<void>;
}

export interface LogDirectoryOptions {
  readonly logDir: string;
  readonly workflowDir: string;
}

/** Reads the tasks, workflows and deliveries of a log directory as lines. */
export class LogDirectory {
  readonly logDir: string;
  readonly workflowDir: string;
  readonly places: WorkflowPlaces;

  constructor({ logDir, workflowDir }: LogDirectoryOptions) {
    this.logDir = logDir;
    this.workflowDir = workflowDir;
    this.places = new WorkflowPlaces(workflowDir);
  }

  /** All units, in no order. A folder without lines is one too. */
  async units(kind: UnitKind): Promise<readonly ListedUnit[]> {
    return (await this.#ids(kind)).map((id) => ({ id }));
  }

  async #ids(kind: UnitKind): Promise<readonly string[]> {
    if (kind === 'task') return (await namesIn(this.logDir)).filter(isPathSafeId);
    if (kind === 'workflow') return this.#workflowIds();
    const names = await namesIn(join(this.logDir, OWN_NAMES.webhooks));
    return names.filter((name) => DAY_FILE.test(name)).map((name) => basename(name, '.jsonl'));
  }

  /** Undefined when there is nothing of it. */
  async open({ kind, id }: Unit): Promise<FileUnit | undefined> {
    const unit = new OpenUnit();
    try {
      if (kind === 'task') await this.#addTask(id, unit);
      else if (kind === 'workflow') await this.#addWorkflow(id, unit);
      else await this.#addDay(id, unit);
    } catch (error) {
      await unit.close();
      throw error;
    }
    return unit.isEmpty ? undefined : unit;
  }

  async #addDay(id: string, unit: OpenUnit): Promise<void> {
    const path = join(this.logDir, OWN_NAMES.webhooks, `${id}.jsonl`);
    const opened = await openLines(path);
    if (opened !== undefined) await unit.add({ kind: 'delivery', unit: id, opened }, basename(path));
  }

  async #addTask(id: string, unit: OpenUnit): Promise<void> {
    const documents = await readDocuments(this.logDir, id);
    unit.isNewer = areNewer(documents);
    const reading = new TaskReading(id, documents);
    for (const [kind, file] of TASK_LINES) {
      const opened = await openTaskLines(this.logDir, id, file);
      if (opened === undefined) continue;
      const place = { kind, unit: id, opened, telemetry: reading.telemetry };
      await unit.add({ ...place, onLine: (line) => reading.add(line) }, TASK_FILES[file]);
    }
    unit.addMore(reading.witnesses());
  }

  async #addWorkflow(id: string, unit: OpenUnit): Promise<void> {
    const month = await this.places.find(id);
    if (month === undefined) return;
    for (const [kind, file] of [
      ['event', 'facts'],
      ['workflow-span', 'trace'],
    ] as const) {
      const opened = await openLines(workflowFile(month, id, file));
      if (opened !== undefined) await unit.add({ kind, unit: id, opened }, id + WORKFLOW_FILES[file]);
    }
    unit.addMore(await lostEvents({ month, id }, (key) => unit.has('event', key)));
  }

  async #workflowIds(): Promise<readonly string[]> {
    const ids = new Set<string>();
    for (const month of await this.places.months())
      for (const name of await readableNamesIn(month)) {
        const suffix = [WORKFLOW_FILES.trace, ...Object.values(WORKFLOW_FILES)].find((one) =>
          name.endsWith(one),
        );
        const id = suffix === undefined ? undefined : name.slice(0, -suffix.length);
        if (isWorkflowId(id)) ids.add(id);
      }
    return [...ids];
  }
}

async function openLines(path: string): Promise<OpenedLines | undefined> {
  const opened = await openStored({ path, what: basename(path) });
  if (opened === undefined) return undefined;
  const { handle, size } = opened;
  return { lines: () => readLines(handle, { to: size }), close: () => handle.close() };
}

class OpenUnit implements FileUnit {
  isNewer = false;
  readonly problems: string[] = [];
  /** Lines that no file has as such. */
  readonly #more: NewLine[] = [];
  readonly #files = new Map<LineKind, FileLines>();
  readonly #opened: OpenedLines[] = [];

  get isEmpty(): boolean {
    return this.#files.size === 0 && this.#more.length === 0;
  }

  async add(place: FilePlace, name: string): Promise<void> {
    this.#opened.push(place.opened);
    const file = await FileLines.open(place);
    this.#files.set(place.kind, file);
    if (file.left > 0)
      this.problems.push(`${file.left} line(s) of ${name} are damaged or of a form that is not known`);
  }

  addMore(lines: readonly NewLine[]): void {
    this.#more.push(...lines);
  }

  has(kind: LineKind, key: string): boolean {
    return (
      this.#files.get(kind)?.has(key) === true ||
      this.#more.some((line) => line.kind === kind && lineKey(line) === key)
    );
  }

  async *batches(): AsyncGenerator<readonly NewLine[]> {
    if (this.#more.length > 0) yield this.#more;
    for (const file of this.#files.values()) yield* file.batches();
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.splice(0)) await opened.close();
  }
}
