import type { Config } from '../../config/config.ts';
import { createIndexView } from '../../search/index/index-view.ts';
import type { ListRequest, PlacePage } from '../../search/list/places.ts';
import { isListed } from '../../search/list/scan-list.ts';
import { createTaskActivity } from '../../search/list/task-activity.ts';
import { type AskIndex, createTaskLists, readItem } from '../../search/list/task-lists.ts';
import { createTaskMatch } from '../../search/list/task-match.ts';
import type { TaskFiles } from '../../search/searched-files.ts';
import { createTaskStats, type StatsRequest, type StatsRows } from '../../search/stats/task-stats.ts';
import type { Reader } from '../../serve/reader.ts';
import { findHolder } from '../../store/lock.ts';
import { createReader } from '../../store/read/reader.ts';
import { createTaskListing } from '../../store/read/task-list.ts';
import { createTaskSource } from '../../store/read/task-source.ts';

/** Where the index of the log directory answers. */
export interface AskedIndex {
  readonly list: AskIndex<ListRequest, PlacePage>;
  readonly stats: AskIndex<StatsRequest, StatsRows>;
}

/**
 * A reader of the log directory whose searches come from the index when it answers. `own`: that of this process, when it holds the
 * directory; else the index is read that the holder keeps.
 */
export function searchingReader(
  { logDir, workflowDir, s3 }: Pick<Config, 'logDir' | 'workflowDir' | 's3'>,
  own: () => AskedIndex | undefined = () => undefined,
): Reader {
  const listing = createTaskListing(logDir);
  const files = createTaskSource(logDir, workflowDir, listing);
  const held = heldIndex(logDir, files);
  const list = createTaskLists({
    files,
    // What the files answer at once starts no index.
    askIndex: async (request) =>
      request.sort === 'created' && isListed(request.search) ? undefined : (own() ?? held).list(request),
  });
  const search = {
    list,
    item: (taskId: string) => readItem(files, taskId),
    match: createTaskMatch(files),
  };
  return {
    ...createReader(logDir, { workflowDir, expectsUploads: s3 !== undefined, listing, search }),
    activityOf: (metadata) => createTaskActivity(files)(metadata),
    countTasks: createTaskStats({ files, askIndex: (request) => (own() ?? held).stats(request) }),
  };
}

function heldIndex(logDir: string, files: TaskFiles): AskedIndex {
  return createIndexView({
    logDir,
    files,
    holderLease: async () => {
      // The reader of the files says what is wrong with a directory.
      const lease = (await findHolder(logDir).catch(() => undefined))?.lease;
      return lease === 0 ? undefined : lease;
    },
  });
}
