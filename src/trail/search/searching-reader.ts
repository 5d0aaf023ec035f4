import type { Config } from '../../config/config.ts';
import { createIndexView } from '../../search/index/index-view.ts';
import type { ListRequest, PlacePage } from '../../search/list/places.ts';
import { type AskIndex, createTaskLists } from '../../search/list/task-lists.ts';
import { createTaskStats, type StatsRequest, type StatsRows } from '../../search/stats/task-stats.ts';
import type { Reader } from '../../serve/reader.ts';
import { findHolder } from '../../store/lock.ts';
import { createReader } from '../../store/read/reader.ts';
import { createTaskSource } from '../../store/read/task-source.ts';

/** Where the index of the log directory answers. */
export interface AskedIndex {
  readonly list: AskIndex<ListRequest, PlacePage>;
  readonly stats: AskIndex<StatsRequest, StatsRows>;
}

type ReadConfig = Pick<Config, 'logDir' | 'workflowDir' | 's3'>;

/** A reader of the log directory whose lists of tasks come from the index when it answers. */
export function searchingReader(config: ReadConfig, index: AskedIndex): Reader {
  const { logDir, workflowDir, s3 } = config;
  const files = createTaskSource(logDir, workflowDir);
  return {
    ...createReader(logDir, { workflowDir, expectsUploads: s3 !== undefined }),
    listTasks: createTaskLists({ files, askIndex: index.list }),
    countTasks: createTaskStats({ files, askIndex: index.stats }),
  };
}

/** As `searchingReader`, for a process that does not hold the directory: it reads the index that the holder keeps. */
export function viewingReader(config: ReadConfig): Reader {
  const { logDir, workflowDir } = config;
  return searchingReader(config, heldIndex(logDir, workflowDir));
}

/** The index of the process that holds the directory now. */
export function heldIndex(logDir: string, workflowDir: string): AskedIndex {
  return createIndexView({
    logDir,
    files: createTaskSource(logDir, workflowDir),
    // The reader of the files says what is wrong with a directory.
    holderPid: async () => (await findHolder(logDir).catch(() => undefined))?.pid,
  });
}
