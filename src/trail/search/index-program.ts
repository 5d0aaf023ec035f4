import { loadDriver } from '../../search/index/driver/load-driver.ts';
import { IndexKeeper } from '../../search/index/index-keeper.ts';
import { listByIndex } from '../../search/list/index-list.ts';
import type { RecordFiles } from '../../search/record/record-files.ts';
import { recordsByIndex } from '../../search/record/record-lists.ts';
import type { TaskFiles } from '../../search/searched-files.ts';
import { facetsByIndex } from '../../search/stats/task-facets.ts';
import { countByIndex } from '../../search/stats/task-stats.ts';
import { LeaseCheck } from '../../store/lease/lease.ts';
import { createBlockingSource } from '../../store/read/blocking-source.ts';
import { createRecordSource } from '../../store/read/record-source.ts';
import { setFileMode } from '../../system/files/modes.ts';
import { setLeaseGuard } from '../../system/lease-guard.ts';
import { Channel, type Port } from '../thread/channel.ts';
import type { AskedOfIndex, FromIndex, IndexStart, OwnLease, ToIndex } from './index-messages.ts';
import { warehouseSource } from './warehouse-reader.ts';

/** Milliseconds for which a query waits for what was written before it. */
const SETTLE_MS = 200;

/** The same after the start, which compares the index with the files of all tasks. */
const CATCH_UP_MS = 5_000;

/** Interval in milliseconds for the changes in a VictoriaLogs, so that a query finds few. */
const POLL_MS = 2_000;

type NoRequests = Record<never, never>;

/** Keeps the index and answers from it. */
export async function runIndex(port: Port, start: IndexStart): Promise<void> {
  const { logDir, workflowDir, fileMode, storeUrl, lease } = start;
  setFileMode(fileMode);
  if (lease !== undefined) setLeaseGuard(leaseCheck(logDir, lease));
  const catchUpMs = performance.now() + CATCH_UP_MS;
  const source: IndexSource =
    storeUrl === undefined ? fileSource(logDir, workflowDir) : warehouseSource(storeUrl);
  const { files, records, reads, groups } = source;
  const driver = await loadDriver();
  const keeper =
    driver &&
    new IndexKeeper({
      ...{ logDir, files, records, reads, groups, driver, lease: lease?.lease },
      onState: (state) => channel.tell('state', state),
    });
  const noteChanged = async (): Promise<void> => keeper?.note(await (source.changed?.() ?? []));
  const settle = async (): Promise<void> => {
    await noteChanged();
    await keeper?.settle(keeper.state.isComplete ? SETTLE_MS : Math.max(0, catchUpMs - performance.now()));
  };
  const channel = new Channel<FromIndex, NoRequests, ToIndex, AskedOfIndex>(port, {
    listeners: {
      changed: (ids) => keeper?.note(ids),
      workflows: (ids) => keeper?.noteRecords('workflow', ids),
      deliveries: (days) => keeper?.noteRecords('delivery', days),
    },
    answers: {
      list: async (request) => {
        await settle();
        return keeper && listByIndex((read) => keeper.use(read), files, request);
      },
      facets: async (request) => {
        await settle();
        return keeper && facetsByIndex((read) => keeper.use(read), files, request);
      },
      stats: async (request) => {
        await settle();
        return keeper && countByIndex((read) => keeper.use(read), files, request);
      },
      records: async (request) => {
        await settle();
        return keeper && records && recordsByIndex((read) => keeper.use(read), records, request);
      },
      close: async () => {
        clearInterval(polls);
        await keeper?.close();
        return undefined;
      },
    },
  });
  if (keeper === undefined) channel.tell('none', undefined);
  else keeper.start();
  // While VictoriaLogs is away, the keeper's state says so.
  const polls = source.changed && setInterval(() => void noteChanged().catch(() => {}), POLL_MS);
}

/** What is indexed. */
interface IndexSource {
  readonly files: TaskFiles;
  readonly records?: RecordFiles;
  readonly reads?: number;
  readonly groups?: number;
  /** The tasks that have changed since the last call. Without it the holder's thread reports them. */
  changed?(): Promise<readonly string[]>;
}

function fileSource(logDir: string, workflowDir: string): IndexSource {
  return {
    files: createBlockingSource(logDir, workflowDir),
    records: createRecordSource(logDir, { workflowDir }),
  };
}

function leaseCheck(logDir: string, { key, lease, token }: OwnLease): LeaseCheck {
  return new LeaseCheck({ logDir, key, lease, isOwn: (found) => found === token, onLost: () => {} });
}
