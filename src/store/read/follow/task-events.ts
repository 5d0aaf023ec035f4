import { isTerminal } from '../../../model/documents.ts';
import type { StreamEvent } from '../../../model/event-stream.ts';
import { parseObject } from '../../../model/json.ts';
import { spanItems } from '../span-item.ts';
import type { FollowedTask, Look, SeenDocument } from './followed-task.ts';
import { LineCursor, type PlacedLine } from './line-cursor.ts';
import { TASK_BEGINNING, type TaskPlace, taskPlaceText } from './task-place.ts';

const FILES = ['stage', 'line', 'span'] as const;
type FileName = (typeof FILES)[number];

/** Metadata of an older version does not say when the files are complete. */
const SETTLED_AFTER_MS = 120_000;

/** `end`: nothing more now. `over`: nothing more will come. */
export type TaskStep = readonly StreamEvent[] | 'end' | 'over';

/** The events of one task for one reader. */
export class TaskEvents {
  readonly task: FollowedTask;
  readonly #cursors: Readonly<Record<FileName, LineCursor>>;
  #metadata: number;
  #result: number;
  #isOver: boolean;
  #isGone = false;

  constructor(task: FollowedTask, start: TaskPlace = TASK_BEGINNING) {
    this.task = task;
    this.#cursors = {
      stage: new LineCursor(task.stage, start.stage),
      line: new LineCursor(task.line, start.line),
      span: new LineCursor(task.span, start.span),
    };
    this.#metadata = start.metadata;
    this.#result = start.result;
    this.#isOver = start.isOver;
  }

  /** The id of what the reader has got. */
  get place(): string {
    return this.#placeWith({});
  }

  /** The next events; each call reads at most one piece of a file. */
  async step(): Promise<TaskStep> {
    if (this.#isGone) return 'over';
    while (!this.task.isClosed) {
      const { version } = this.task.watch;
      const look = await this.task.look(version);
      if (!look.exists) return this.#goneEvents();
      for (const file of FILES) if (!(await this.#cursors[file].isKept(version))) return this.#resetEvents();
      const { metadata, result } = look;
      if (metadata !== undefined && metadata.checksum !== this.#metadata)
        return this.#documentEvents('metadata', metadata);
      const lines = await this.#lineEvents(version);
      if (lines === 'again') continue;
      if (lines !== undefined) return lines;
      if (result !== undefined && result.checksum !== this.#result)
        return this.#documentEvents('result', result);
      return this.#endEvents(look);
    }
    return 'over';
  }

  async #lineEvents(version: number): Promise<readonly StreamEvent[] | 'again' | undefined> {
    for (const file of FILES) {
      for (;;) {
        const before = this.#cursors[file].place;
        const step = await this.#cursors[file].next(version);
        if (step === 'again') return 'again';
        if (step === 'end') break;
        if (step === 'reset') return this.#resetEvents();
        const events = this.#eventsOf(file, step, before);
        if (events.length > 0) return events;
      }
    }
    return undefined;
  }

  #eventsOf(file: FileName, lines: readonly PlacedLine[], before: string): readonly StreamEvent[] {
    // Readers in step share the list of lines, and then what is made from it.
    const key = `${before}|${this.#placeWith({ [file]: '' })}`;
    const shared = SHARED.get(lines);
    if (shared?.key === key) return shared.events;
    const events: StreamEvent[] = [];
    for (const { text, place } of lines) {
      const texts = file === 'span' ? spanItems(parseObject(text)) : [text];
      for (const [index, data] of texts.entries()) {
        // Of several spans of one line the last one ends it.
        const id = index === texts.length - 1 ? this.#placeWith({ [file]: place }) : undefined;
        events.push({ event: file, data, id });
      }
    }
    SHARED.set(lines, { key, events });
    return events;
  }

  #documentEvents(
    event: 'metadata' | 'result',
    { value, text, checksum }: SeenDocument,
  ): readonly StreamEvent[] {
    if (event === 'metadata') {
      this.#metadata = checksum;
      if (!isTerminal(value.status)) this.#isOver = false;
    } else this.#result = checksum;
    return [{ event, data: text, id: this.place }];
  }

  #endEvents({ metadata }: Look): TaskStep {
    const status = metadata?.value.status;
    if (metadata === undefined || !isTerminal(status)) return 'end';
    if (!this.#isOver) {
      this.#isOver = true;
      return [{ event: 'end', data: JSON.stringify({ task_id: this.task.id, status }), id: this.place }];
    }
    const isOld = Date.now() - metadata.writtenMs > SETTLED_AFTER_MS;
    return metadata.value.settled === true || isOld ? 'over' : 'end';
  }

  #resetEvents(): readonly StreamEvent[] {
    for (const file of FILES) this.#cursors[file].reset();
    this.#metadata = 0;
    this.#result = 0;
    this.#isOver = false;
    return [
      resetEvent(this.task.id, 'the id is not a place in the files as they are now: all events come again'),
    ];
  }

  #goneEvents(): readonly StreamEvent[] {
    this.#isGone = true;
    return [resetEvent(this.task.id, 'the task has been removed', true)];
  }

  #placeWith(places: Partial<Record<FileName, string>>): string {
    const files = FILES.map((file) => places[file] ?? this.#cursors[file].place);
    const seen = { metadata: this.#metadata, result: this.#result, isOver: this.#isOver };
    return taskPlaceText(files, seen);
  }
}

/** The events that a list of lines was made into last. */
const SHARED = new WeakMap<
  readonly PlacedLine[],
  { readonly key: string; readonly events: readonly StreamEvent[] }
>();

function resetEvent(taskId: string, reason: string, removed: boolean = false): StreamEvent {
  return { event: 'reset', data: JSON.stringify({ task_id: taskId, reason, removed }), id: undefined };
}
