import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../../../errors.ts';
import type { EventStream, TasksToFollow } from '../../../model/event-stream.ts';
import type { StoredWorkflow } from '../../../model/workflow.ts';
import { hasTaskDir } from '../../task-file.ts';
import type { FeedReader } from '../feed-reader.ts';
import type { TaskListing } from '../task-list.ts';
import type { Indexes } from '../window/indexes.ts';
import { FeedEvents, FollowedFeed } from './feed-events.ts';
import { FollowedList } from './followed-list.ts';
import { FollowedTasks } from './followed-task.ts';
import { ListEvents, parseListPlace } from './list-events.ts';
import type { ListSearch } from './list-search.ts';
import { TaskEvents } from './task-events.ts';
import { parseTaskPlace, TASK_BEGINNING, type TaskPlace } from './task-place.ts';
import { joinParts, PLACE_BORDER, type StreamPart } from './tasks-stream.ts';
import { parseWorkflowPlace, WorkflowEvents } from './workflow-events.ts';

/** `after` of a stream of a task or of the feed that begins with what comes next. */
const NOW = 'now';

/** Workflows that readers in step share, and how long one is kept for them. */
const WORKFLOWS_MAX = 20;
const WORKFLOW_MS = 2_000;

export interface StreamParts {
  readonly logDir: string;
  readonly indexes: Indexes;
  readonly listing: TaskListing;
  readonly search: ListSearch;
  readonly feed: FeedReader;
  readWorkflow(id: string): Promise<StoredWorkflow | undefined>;
}

/** The streams of a log directory. Those of one task share one reading of its files. */
export class Streams {
  readonly #parts: StreamParts;
  readonly #tasks: FollowedTasks;
  readonly #list: FollowedList;
  readonly #feed: FollowedFeed;
  readonly #workflows = new LRUCache<
    string,
    { readonly moment: string; readonly reading: Promise<StoredWorkflow | undefined> }
  >({ max: WORKFLOWS_MAX, ttl: WORKFLOW_MS, ttlAutopurge: true });

  constructor(parts: StreamParts) {
    this.#parts = parts;
    this.#tasks = new FollowedTasks(parts.logDir, parts.indexes);
    this.#list = new FollowedList(parts.logDir, parts.listing, parts.search);
    this.#feed = new FollowedFeed(parts.feed);
  }

  /** Undefined without the task; `ERR_INPUT_INVALID` for an id that no stream has given. */
  async followTask(taskId: string, after: string | undefined): Promise<EventStream | undefined> {
    const place = after === undefined ? TASK_BEGINNING : after === NOW ? NOW : parseTaskPlace(after);
    if (place === undefined) throw invalidId();
    if (!(await hasTaskDir(this.#parts.logDir, taskId))) return undefined;
    if (place === NOW) return joinParts([await this.#endPart(taskId)], false);
    return joinParts([this.#taskPart(taskId, place)], false);
  }

  /** As `followTask` for several tasks and the list. */
  async followTasks(
    { taskIds, list }: TasksToFollow,
    after: string | undefined,
  ): Promise<EventStream | undefined> {
    const words = after?.split(PLACE_BORDER);
    const sinceMs = list && words && parseListPlace(words.pop() ?? '');
    const places = words?.map(parseTaskPlace) ?? taskIds.map(() => TASK_BEGINNING);
    const isListWrong = list !== undefined && after !== undefined && sinceMs === undefined;
    if (places.length !== taskIds.length || places.includes(undefined) || isListWrong) throw invalidId();
    for (const taskId of taskIds) if (!(await hasTaskDir(this.#parts.logDir, taskId))) return undefined;
    // First: a mistake in `q` throws, and nothing is open yet.
    const { listing, search } = this.#parts;
    const listParts =
      list === undefined ? [] : [new ListEvents({ list: this.#list, listing, search, query: list, sinceMs })];
    const parts = taskIds.map((taskId, at) => this.#taskPart(taskId, places[at] ?? TASK_BEGINNING));
    return joinParts([...parts, ...listParts], true);
  }

  /** Undefined without the workflow. */
  async followWorkflow(workflowId: string, after: string | undefined): Promise<EventStream | undefined> {
    const given = after === undefined ? undefined : parseWorkflowPlace(after);
    if (after !== undefined && given === undefined) throw invalidId();
    // Before the workflow is read: what comes meanwhile is in the feed.
    const end = await this.#feed.end();
    if ((await this.#parts.readWorkflow(workflowId)) === undefined) return undefined;
    const read = (moment: string): Promise<StoredWorkflow | undefined> =>
      this.#workflowAt(workflowId, moment);
    const isKept = given !== undefined && (await this.#isKept(given.feed));
    const start = isKept ? given : { events: 0, feed: end, state: 0, isOver: false };
    const part = new WorkflowEvents({ id: workflowId, feed: this.#feed, read, start });
    return joinParts([given === undefined || isKept ? part : withReset(part)], false);
  }

  /** `after`: a cursor, or `now`. */
  async followFeed(after: string | undefined, type: string | undefined): Promise<EventStream> {
    const cursor = after === NOW ? await this.#feed.end() : (after ?? '');
    if (cursor !== '') await this.#isKept(cursor);
    return joinParts([new FeedEvents(this.#feed, cursor, type)], false);
  }

  /** The workflow as it was at the first call with this moment, or later. */
  #workflowAt(id: string, moment: string): Promise<StoredWorkflow | undefined> {
    const kept = this.#workflows.get(id);
    if (kept?.moment === moment) return kept.reading;
    const reading = this.#parts.readWorkflow(id);
    this.#workflows.set(id, { moment, reading });
    // A failure is no answer for those who come later.
    reading.catch(() => this.#workflows.delete(id));
    return reading;
  }

  /** As `#taskPart`, from the lines on that come next. */
  async #endPart(taskId: string): Promise<StreamPart> {
    const { task, leave } = this.#tasks.open(taskId);
    try {
      return this.#taskPart(taskId, await task.end());
    } finally {
      leave();
    }
  }

  #taskPart(taskId: string, start: TaskPlace): StreamPart {
    const { task, leave } = this.#tasks.open(taskId);
    const events = new TaskEvents(task, start);
    return {
      taskId,
      leave,
      get place() {
        return events.place;
      },
      get version() {
        return task.watch.version;
      },
      step: () => events.step(),
      changed: (seen, signal) => task.watch.changed(seen, signal),
    };
  }

  /** Whether a cursor of the feed still is a place. Throws `ERR_INPUT_INVALID` for what is no cursor. */
  async #isKept(cursor: string): Promise<boolean> {
    try {
      await this.#feed.read(cursor);
      return true;
    } catch (error) {
      if (error instanceof TasktrailError && error.code === 'ERR_GONE') return false;
      throw error;
    }
  }
}

/** A part whose first event says that all events come again. */
function withReset(part: StreamPart): StreamPart {
  let isTold = false;
  const reason = 'the events after this place are no longer kept: all events come again';
  return {
    taskId: part.taskId,
    leave: () => part.leave(),
    get place() {
      return part.place;
    },
    get version() {
      return part.version;
    },
    changed: (seen, signal) => part.changed(seen, signal),
    step: async () => {
      if (isTold) return part.step();
      isTold = true;
      return [{ event: 'reset', data: JSON.stringify({ reason }), id: undefined }];
    },
  };
}

function invalidId(): TasktrailError {
  return new TasktrailError(
    'ERR_INPUT_INVALID',
    'after: must be the id of an event of this stream; start again without it (and without Last-Event-ID)',
  );
}
