import type { Config } from '../../config/config.ts';
import type { FacetCounts } from '../../model/task-reading.ts';
import { createIndexView } from '../../search/index/index-view.ts';
import type { ListRequest, PlacePage } from '../../search/list/places.ts';
import { isListed } from '../../search/list/scan-list.ts';
import { createTaskActivity } from '../../search/list/task-activity.ts';
import { type AskIndex, createTaskLists, readItem } from '../../search/list/task-lists.ts';
import { createTaskMatch } from '../../search/list/task-match.ts';
import type { RecordFiles } from '../../search/record/record-files.ts';
import { createRecordLists, type RecordPage, type RecordRequest } from '../../search/record/record-lists.ts';
import type { TaskFiles } from '../../search/searched-files.ts';
import { createTaskFacets, type FacetsRequest } from '../../search/stats/task-facets.ts';
import { createTaskStats, type StatsRequest, type StatsRows } from '../../search/stats/task-stats.ts';
import type { Reader } from '../../serve/reader.ts';
import { findHolder } from '../../store/lock.ts';
import { createReader } from '../../store/read/reader.ts';
import { createRecordSource } from '../../store/read/record-source.ts';
import { createTaskListing } from '../../store/read/task-list.ts';
import { createTaskSource } from '../../store/read/task-source.ts';
import { createNotificationList, outboxFiles } from '../notify/notification-list.ts';

/** Where the index of the log directory answers. */
export interface AskedIndex {
  readonly list: AskIndex<ListRequest, PlacePage>;
  readonly facets: AskIndex<FacetsRequest, readonly FacetCounts[]>;
  readonly stats: AskIndex<StatsRequest, StatsRows>;
  readonly records: AskIndex<RecordRequest, RecordPage>;
}

/**
 * A reader of the log directory whose searches come from the index when it answers. `own`: that of this process, when it holds the
 * directory; else the index is read that the holder keeps.
 */
export function searchingReader(
  {
    logDir,
    workflowDir,
    s3,
    notify = [],
  }: Pick<Config, 'logDir' | 'workflowDir' | 's3'> & Partial<Pick<Config, 'notify'>>,
  own: () => AskedIndex | undefined = () => undefined,
): Reader {
  const listing = createTaskListing(logDir);
  const files = createTaskSource(logDir, workflowDir, listing);
  const tasks = new RememberedCount(async () => (await files.names()).length);
  const workflows = new RememberedCount(async () => (await records.keys('workflow')).length);
  const deliveryDays = new RememberedCount(async () => (await records.keys('delivery')).length, MANY_DAYS);
  const expectsUploads = s3 !== undefined;
  const records = createRecordSource(logDir, { workflowDir, expectsUploads });
  const held = heldIndex({ logDir, files, records });
  const index = (): AskedIndex => own() ?? held;
  const list = createTaskLists({
    files,
    askIndex: async (request) => {
      // What the files answer at once starts no index.
      const isSimple = request.sort === 'created' && isListed(request.search);
      return isSimple && !(await tasks.areMany()) ? undefined : index().list(request);
    },
  });
  const recordLists = createRecordLists({
    files: records,
    askIndex: async (request) => {
      const { kind, search, sort } = request;
      if (sort !== 'created' || search.terms.length > 0) return index().records(request);
      // Deliveries stand in their order already: without a filter a page is read from its place.
      const isPage = kind === 'delivery' && search.fields.length === 0;
      const counted = kind === 'delivery' ? deliveryDays : workflows;
      return isPage || !(await counted.areMany()) ? undefined : index().records(request);
    },
  });
  const search = {
    list,
    item: (taskId: string) => readItem(files, taskId),
    match: createTaskMatch(files),
  };
  return {
    ...createReader(logDir, { workflowDir, expectsUploads, listing, search }),
    ...createNotificationList(outboxFiles(logDir), notify),
    ...recordLists,
    activityOf: (metadata) => createTaskActivity(files)(metadata),
    countFacets: createTaskFacets({ files, askIndex: (request) => index().facets(request) }),
    countTasks: createTaskStats({ files, askIndex: (request) => index().stats(request) }),
  };
}

/** More than these are not listed from their files: each has to be looked at, and many answers take seconds then. */
const MANY = 2_000;

/** Of deliveries: a filter that matches few reads all of them. */
const MANY_DAYS = 7;

/** So long a large number is not counted again. */
const COUNTED_MS = 60_000;

class RememberedCount {
  readonly #count: () => Promise<number>;
  readonly #many: number;
  #manyUntilMs = 0;

  constructor(count: () => Promise<number>, many: number = MANY) {
    this.#count = count;
    this.#many = many;
  }

  async areMany(): Promise<boolean> {
    if (performance.now() < this.#manyUntilMs) return true;
    if ((await this.#count()) <= this.#many) return false;
    this.#manyUntilMs = performance.now() + COUNTED_MS;
    return true;
  }
}

interface HeldIndexOptions {
  readonly logDir: string;
  readonly files: TaskFiles;
  readonly records: RecordFiles;
}

function heldIndex({ logDir, files, records }: HeldIndexOptions): AskedIndex {
  return createIndexView({
    logDir,
    files,
    records,
    holderLease: async () => {
      // The reader of the files says what is wrong with a directory.
      const lease = (await findHolder(logDir).catch(() => undefined))?.lease;
      return lease === 0 ? undefined : lease;
    },
  });
}
