import { TasktrailError } from '../../errors.ts';
import type { DeliveryPage, DeliveryQuery } from '../../model/delivery.ts';
import type { JsonObject } from '../../model/json.ts';
import type { ListPlace } from '../../model/list-place.ts';
import {
  isUnknownStatus,
  WORKFLOW_STATUSES,
  type WorkflowPage,
  type WorkflowQuery,
  type WorkflowSort,
} from '../../model/workflow.ts';
import { unsureTerms } from '../index/task-select.ts';
import { pageByIndex, type UseIndex } from '../list/index-list.ts';
import { decodePlace, encodePlace } from '../list/list-cursor.ts';
import type { AskIndex } from '../list/task-lists.ts';
import type { TaskSearch } from '../query/task-search.ts';
import type { RecordFiles, RecordKind } from './record-files.ts';
import type { RecordPlace } from './record-index.ts';
import { matchesRecord, recordSearch } from './record-search.ts';
import type { RecordRef } from './searched-record.ts';

/** Which part of a list of workflows or deliveries is asked for. Plain data: it passes between threads. */
export interface RecordRequest {
  readonly kind: RecordKind;
  readonly search: TaskSearch;
  readonly sort: WorkflowSort;
  readonly after: ListPlace | undefined;
  readonly limit: number;
}

export interface RecordPage {
  readonly places: readonly RecordRef[];
  readonly next: ListPlace | undefined;
}

export interface RecordListsOptions {
  readonly files: RecordFiles;
  readonly askIndex?: AskIndex<RecordRequest, RecordPage> | undefined;
  readonly now?: () => number;
}

export interface RecordLists {
  /** Throw `ERR_INPUT_INVALID` for `q`, for a cursor and for an unknown status. */
  listWorkflows(query: WorkflowQuery): Promise<WorkflowPage>;
  listDeliveries(query: DeliveryQuery): Promise<DeliveryPage>;
}

/** Lists workflows and deliveries: by the index when it answers, else by the files. */
export function createRecordLists(options: RecordListsOptions): RecordLists {
  return {
    listWorkflows: async (query) => {
      const page = await listRecords('workflow', query, options);
      if (page.items.length === 0) await checkStatus(query.status, options);
      return page;
    },
    listDeliveries: (query) => listRecords('delivery', query, options),
  };
}

interface RecordQuery extends WorkflowQuery, DeliveryQuery {}

async function listRecords(
  kind: RecordKind,
  query: WorkflowQuery | DeliveryQuery,
  { files, askIndex, now = Date.now }: RecordListsOptions,
): Promise<{ readonly items: readonly JsonObject[]; readonly nextCursor: string | null }> {
  const { sort = 'created', limit, cursor, asked }: RecordQuery = query;
  const after = cursor === undefined ? undefined : decodePlace(cursor, sort, asked);
  const search = recordSearch(kind, query, now());
  const request: RecordRequest = { kind, search, sort, after, limit };
  const { places, next } = (await askIndex?.(request)) ?? (await pageByScan(files, request));
  const items: JsonObject[] = [];
  for (const ref of places) {
    const item = await files.item(kind, ref);
    if (item !== undefined) items.push(item);
  }
  return { items, nextCursor: next === undefined ? null : encodePlace(next, sort, asked) };
}

/** Undefined when there is no index at the moment. */
export function recordsByIndex(
  use: UseIndex,
  files: RecordFiles,
  { kind, search, sort, after, limit }: RecordRequest,
): Promise<RecordPage | undefined> {
  const terms = unsureTerms(search.terms);
  return pageByIndex<RecordPlace>({
    take: (from, count) =>
      use((index) => index.records.select(kind, search, { sort, after: from, limit: count })),
    ...(terms.length > 0 && {
      isMatch: async (ref) => {
        const record = await files.read(kind, ref);
        return record !== undefined && matchesRecord(record, { fields: [], terms });
      },
    }),
    ...{ after, limit },
  });
}

async function pageByScan(files: RecordFiles, request: RecordRequest): Promise<RecordPage> {
  const { kind, search, sort, after, limit } = request;
  const { since, until } = search;
  const { records, next } = await files.scan(kind, {
    ...{ since, until, sort, after, limit },
    accepts: (record) => matchesRecord(record, search),
  });
  return { places: records, next };
}

/** A word that neither has a meaning nor stands in a workflow is a mistake, and no filter that matches nothing. */
async function checkStatus(status: string | undefined, options: RecordListsOptions): Promise<void> {
  if (status === undefined || !isUnknownStatus(status)) return;
  const { items } = await listRecords('workflow', { status, limit: 1 }, options);
  if (items.length > 0) return;
  throw new TasktrailError(
    'ERR_INPUT_INVALID',
    `status: must be one of ${WORKFLOW_STATUSES.join(', ')}, or the status of a stored workflow`,
  );
}
