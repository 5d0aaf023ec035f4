import type { FacetCounts } from '../../model/task-reading.ts';
import { listByIndex, type UseIndex } from '../list/index-list.ts';
import type { ListRequest, PlacePage } from '../list/places.ts';
import type { RecordFiles } from '../record/record-files.ts';
import { type RecordPage, type RecordRequest, recordsByIndex } from '../record/record-lists.ts';
import type { TaskFiles } from '../searched-files.ts';
import { type FacetsRequest, facetsByIndex } from '../stats/task-facets.ts';
import { countByIndex, type StatsRequest, type StatsRows } from '../stats/task-stats.ts';
import type { Driver } from './driver/driver.ts';
import { loadDriver } from './driver/load-driver.ts';
import { openIndexToRead } from './index-file.ts';
import { COMPLETE } from './index-keeper.ts';
import { TaskIndex } from './task-index.ts';

export interface IndexViewOptions {
  readonly logDir: string;
  readonly files: TaskFiles;
  readonly records: RecordFiles;
  /** The lease of the process that holds the log directory now: only what it keeps is as the files are. */
  holderLease(): Promise<number | undefined>;
}

/** The index that another process keeps. Undefined answers: there is none that can be trusted now, the files have to answer. */
export interface IndexView {
  list(request: ListRequest): Promise<PlacePage | undefined>;
  facets(request: FacetsRequest): Promise<readonly FacetCounts[] | undefined>;
  stats(request: StatsRequest): Promise<StatsRows | undefined>;
  records(request: RecordRequest): Promise<RecordPage | undefined>;
}

export function createIndexView(options: IndexViewOptions): IndexView {
  const { files, records } = options;
  return {
    list: (request) => withIndex(options, (use) => listByIndex(use, files, request)),
    facets: (request) => withIndex(options, (use) => facetsByIndex(use, files, request)),
    stats: (request) => withIndex(options, (use) => countByIndex(use, files, request)),
    records: (request) => withIndex(options, (use) => recordsByIndex(use, records, request)),
  };
}

/** Opened for each question: the file may be another one, and an open one would keep its writer waiting. */
async function withIndex<T>(
  { logDir, holderLease }: IndexViewOptions,
  ask: (use: UseIndex) => Promise<T | undefined>,
): Promise<T | undefined> {
  const lease = await holderLease();
  const driver: Driver | undefined = lease === undefined ? undefined : await loadDriver();
  const database = driver && openIndexToRead(driver, logDir);
  if (database === undefined) return undefined;
  try {
    const index = new TaskIndex(database);
    if (index.fact(COMPLETE) !== String(lease)) return undefined;
    return await ask(async (read) => read(index));
  } catch {
    // Locked for too long, or being made again: there is nothing to mend here.
    return undefined;
  } finally {
    database.close();
  }
}
