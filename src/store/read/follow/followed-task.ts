import type { JsonObject } from '../../../model/json.ts';
import { lstatIfPresent } from '../../../system/files/optional-files.ts';
import { unlessUnreadable } from '../../file-errors.ts';
import { taskDir, taskFile } from '../../layout.ts';
import { hasTaskDir, readTaskDocument } from '../../task-file.ts';
import type { Indexes } from '../window/indexes.ts';
import { FolderWatch } from './folder-watch.ts';
import { LineSource } from './line-source.ts';
import { TASK_BEGINNING, type TaskPlace } from './task-place.ts';
import { checksum } from './tasks-stream.ts';

/** A document as readers get it. */
export interface SeenDocument {
  readonly value: JsonObject;
  readonly text: string;
  readonly checksum: number;
  /** When the file was written, in milliseconds since the epoch. */
  readonly writtenMs: number;
}

/** What all documents of a task were at one look. */
export interface Look {
  readonly metadata: SeenDocument | undefined;
  readonly result: SeenDocument | undefined;
  /** False once retention has removed the task. */
  readonly exists: boolean;
}

/** A task that readers follow: one watch and one reading of its files for all of them. */
export class FollowedTask {
  readonly id: string;
  readonly watch: FolderWatch;
  readonly stage: LineSource;
  readonly line: LineSource;
  readonly span: LineSource;
  readonly #logDir: string;
  #isClosed = false;
  #looked: { readonly version: number; readonly look: Promise<Look> } | undefined;

  constructor(logDir: string, id: string, indexes: Indexes) {
    const paths = (['webhookFlow', 'agentOutput', 'trace', 'metadata', 'finalResult'] as const).map((file) =>
      taskFile(logDir, id, file),
    );
    const source = (at: number): LineSource =>
      new LineSource({ path: paths[at] ?? '', what: `a line file of task ${id}` }, indexes);
    this.id = id;
    this.#logDir = logDir;
    // Before the first look: nothing is missed in between.
    this.watch = new FolderWatch(taskDir(logDir, id), paths);
    this.stage = source(0);
    this.line = source(1);
    this.span = source(2);
  }

  /**
   * The documents at the first call with this version, or later. Readers call it before they read lines: once the status says
   * that the task is over, all its lines are stored.
   */
  look(version: number): Promise<Look> {
    if (this.#looked?.version !== version) {
      const looked = { version, look: this.#look() };
      this.#looked = looked;
      // A failure is no answer for those who come later.
      looked.look.catch(() => {
        if (this.#looked === looked) this.#looked = undefined;
      });
    }
    return this.#looked.look;
  }

  /** The place behind all lines that are there. The documents count as not seen. */
  async end(): Promise<TaskPlace> {
    const { version } = this.watch;
    const [stage, line, span] = await Promise.all([
      this.stage.end(version),
      this.line.end(version),
      this.span.end(version),
    ]);
    return { ...TASK_BEGINNING, stage, line, span };
  }

  /** True once no reader is left: nothing more is read. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    this.watch.close();
    for (const source of [this.stage, this.line, this.span]) source.close();
  }

  async #look(): Promise<Look> {
    const exists = await hasTaskDir(this.#logDir, this.id);
    const read = async (file: 'metadata' | 'finalResult'): Promise<SeenDocument | undefined> => {
      const stats = await lstatIfPresent(taskFile(this.#logDir, this.id, file)).catch(() => undefined);
      const value = await unlessUnreadable(readTaskDocument(this.#logDir, this.id, file));
      if (value === undefined) return undefined;
      const text = JSON.stringify(value);
      return { value, text, checksum: checksum(text), writtenMs: stats?.mtimeMs ?? 0 };
    };
    // The result is written first: final metadata never comes without it.
    const metadata = await read('metadata');
    return { exists, metadata, result: await read('finalResult') };
  }
}

/** The tasks that are followed now. */
export class FollowedTasks {
  readonly #logDir: string;
  readonly #indexes: Indexes;
  readonly #tasks = new Map<string, { readonly task: FollowedTask; readers: number }>();

  constructor(logDir: string, indexes: Indexes) {
    this.#logDir = logDir;
    this.#indexes = indexes;
  }

  /** Call the function that is returned when the reader has gone. */
  open(id: string): { readonly task: FollowedTask; leave(): void } {
    const entry = this.#tasks.get(id) ?? {
      task: new FollowedTask(this.#logDir, id, this.#indexes),
      readers: 0,
    };
    entry.readers += 1;
    this.#tasks.set(id, entry);
    let isLeft = false;
    return {
      task: entry.task,
      leave: () => {
        if (isLeft) return;
        isLeft = true;
        entry.readers -= 1;
        if (entry.readers > 0) return;
        this.#tasks.delete(id);
        entry.task.close();
      },
    };
  }
}
