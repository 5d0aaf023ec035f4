import { LRUCache } from 'lru-cache';
import { TasktrailError } from '../../../errors.ts';
import type { EventStream, TasksToFollow } from '../../../model/event-stream.ts';
import type { StoredWorkflow } from '../../../model/workflow.ts';
import type { FeedReader } from '../feed-reader.ts';
import { FeedEvents, FollowedFeed } from './feed-events.ts';
import { ListEvents, parseListPlace } from './list-events.ts';
import type { ListChanges, ListSearch } from './list-search.ts';
import { joinParts, NOW, PLACE_BORDER, type StreamPart, type TaskStreams } from './tasks-stream.ts';
import { parseWorkflowPlace, WorkflowEvents } from './workflow-events.ts';

/** Workflows that readers in step share, and how long one is kept for them. */
const WORKFLOWS_MAX = 20;
const WORKFLOW_MS = 2_000;

export interface StreamParts {
  readonly tasks: TaskStreams;
  readonly list: ListChanges;
  readonly search: ListSearch;
  readonly feed: FeedReader;
  readWorkflow(id: string): Promise<StoredWorkflow | undefined>;
}

/** The streams of a store. */
export class Streams {
  readonly #parts: StreamParts;
  readonly #feed: FollowedFeed;
  readonly #workflows = new LRUCache<
    string,
    { readonly moment: string; readonly reading: Promise<StoredWorkflow | undefined> }
  >({ max: WORKFLOWS_MAX, ttl: WORKFLOW_MS, ttlAutopurge: true });

  constructor(parts: StreamParts) {
    this.#parts = parts;
    this.#feed = new FollowedFeed(parts.feed);
  }

  /** Undefined without the task; `ERR_INPUT_INVALID` for an id that no stream has given. */
  async followTask(taskId: string, after: string | undefined): Promise<EventStream | undefined> {
    const { tasks } = this.#parts;
    if (after !== undefined && after !== NOW && !tasks.isPlace(after)) throw invalidId();
    if (!(await tasks.has(taskId))) return undefined;
    return joinParts([await tasks.open(taskId, after)], false);
  }

  /** As `followTask` for several tasks and the list. */
  async followTasks(
    { taskIds, list }: TasksToFollow,
    after: string | undefined,
  ): Promise<EventStream | undefined> {
    const { tasks } = this.#parts;
    const words = after?.split(PLACE_BORDER);
    const sinceMs = list && words && parseListPlace(words.pop() ?? '');
    const places: readonly (string | undefined)[] = words ?? taskIds.map(() => undefined);
    const isListWrong = list !== undefined && after !== undefined && sinceMs === undefined;
    const isPlaceWrong = words?.some((word) => !tasks.isPlace(word)) === true;
    if (places.length !== taskIds.length || isPlaceWrong || isListWrong) throw invalidId();
    for (const taskId of taskIds) if (!(await tasks.has(taskId))) return undefined;
    // First: a mistake in `q` throws, and nothing is open yet.
    const { list: changes, search } = this.#parts;
    const listParts =
      list === undefined ? [] : [new ListEvents({ list: changes, search, query: list, sinceMs })];
    const parts: StreamPart[] = [];
    try {
      for (const [at, taskId] of taskIds.entries()) parts.push(await tasks.open(taskId, places[at]));
    } catch (error) {
      for (const part of parts) part.leave();
      throw error;
    }
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
