import { lstat } from 'node:fs/promises';
import { errnoOf, TasktrailError } from '../../errors.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import type { StoredWorkflow } from '../../model/workflow.ts';
import type { Candidate, NotifySource, Wait } from '../../notify/candidate.ts';
import { TOLD_EVENTS, WAITS_MAX, waitIn, workflowCandidate } from '../../notify/told-records.ts';
import { taskFile } from '../../store/layout.ts';
import { createFeedReader, type FeedReader } from '../../store/read/feed-reader.ts';
import { openTaskLines, readTaskDocument } from '../../store/task-file.ts';
import { namesIn } from '../../system/files/optional-files.ts';

/** Events of a page of the feed. */
const PAGE = 500;

/** Clocks of disks are coarse, and those of shares another machine's. */
const COARSE_MS = 2_000;

export interface SourceOptions {
  readonly logDir: string;
  readonly workflowDir: string;
  readWorkflow(workflowId: string): Promise<StoredWorkflow | undefined>;
}

/** What the notifier reads of a log directory. */
export function createNotifySource({ logDir, workflowDir, readWorkflow }: SourceOptions): NotifySource {
  const feed = createFeedReader(workflowDir);
  return {
    readTask: async (taskId) => {
      const [result, input, metadata] = [
        await readTaskDocument(logDir, taskId, 'finalResult'),
        await readTaskDocument(logDir, taskId, 'input'),
        await readTaskDocument(logDir, taskId, 'metadata'),
      ];
      return metadata && { metadata, input, result };
    },
    waitsOf: (taskId) => waitsOf(logDir, taskId),
    readWorkflow: async (workflowId) => {
      const state = (await readWorkflow(workflowId))?.state;
      // As REST shows it: plain JSON.
      return state && (JSON.parse(JSON.stringify(state)) as JsonObject);
    },
    mark: async () => ({ at: isoFromMs(Date.now()), feed: await feed.end() }),
    since: async function* (mark) {
      // First: a feed that cannot be read does not hide them.
      yield* tasksAfter(logDir, Date.parse(mark.at) - COARSE_MS);
      yield* eventsAfter(feed, mark.feed);
    },
  };
}

async function* eventsAfter(feed: FeedReader, start: string | undefined): AsyncGenerator<Candidate> {
  for (const type of TOLD_EVENTS) {
    for (let after = start; ; ) {
      const page = await readPage(feed, { after, type });
      for (const text of page.items) {
        const candidate = workflowCandidate(parseObject(text) ?? {});
        if (candidate !== undefined) yield candidate;
      }
      if (page.nextCursor === after) break;
      after = page.nextCursor;
    }
  }
}

/** From the oldest event when those after the place are no longer kept. */
async function readPage(
  feed: FeedReader,
  { after, type }: { readonly after: string | undefined; readonly type: string },
): ReturnType<FeedReader['read']> {
  try {
    return await feed.read({ after, type, limit: PAGE });
  } catch (error) {
    const isGone = error instanceof TasktrailError && !error.retryable && after !== undefined;
    if (!isGone) throw error;
    return feed.read({ type, limit: PAGE });
  }
}

async function* tasksAfter(logDir: string, sinceMs: number): AsyncGenerator<Candidate> {
  for (const id of (await namesIn(logDir)).filter(isPathSafeId)) {
    for (const file of ['metadata', 'facts'] as const) {
      const modifiedMs = await modifiedAt(taskFile(logDir, id, file));
      if (modifiedMs === undefined || modifiedMs < sinceMs) continue;
      yield { kind: 'task', id };
      break;
    }
  }
}

/** Undefined for what is no task. One that cannot be looked at counts as changed: reading it says why. */
async function modifiedAt(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    const errno = errnoOf(error);
    return errno === 'ENOENT' || errno === 'ENOTDIR' ? undefined : Number.POSITIVE_INFINITY;
  }
}

/** The records that say that a task waits, of the trail: the newest of many. */
async function waitsOf(logDir: string, taskId: string): Promise<readonly Wait[]> {
  const opened = await openTaskLines(logDir, taskId, 'facts');
  if (opened === undefined) return [];
  const waits: Wait[] = [];
  try {
    for await (const lines of opened.lines()) {
      for (const { bytes } of lines) {
        if (bytes?.includes('waiting_input') !== true) continue;
        const wait = waitIn(parseObject(bytes.toString('utf8')) ?? {});
        if (wait !== undefined) waits.push(wait);
      }
    }
  } finally {
    await opened.close();
  }
  return waits.slice(-WAITS_MAX);
}
