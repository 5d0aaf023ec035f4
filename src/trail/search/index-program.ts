import { IndexKeeper } from '../../search/index/index-keeper.ts';
import { loadDriver } from '../../search/index/load-driver.ts';
import { listByIndex } from '../../search/list/index-list.ts';
import { countByIndex } from '../../search/stats/task-stats.ts';
import { createBlockingSource } from '../../store/read/blocking-source.ts';
import { setFileMode } from '../../system/files/modes.ts';
import { Channel, type Port } from '../thread/channel.ts';
import type { AskedOfIndex, FromIndex, IndexStart, ToIndex } from './index-messages.ts';

/** Milliseconds for which a query waits for what was written before it. */
const SETTLE_MS = 200;

type NoRequests = Record<never, never>;

/** Keeps the index and answers from it. */
export async function runIndex(port: Port, start: IndexStart): Promise<void> {
  const { logDir, workflowDir, fileMode } = start;
  setFileMode(fileMode);
  const files = createBlockingSource(logDir, workflowDir);
  const driver = await loadDriver();
  const keeper =
    driver && new IndexKeeper({ logDir, files, driver, onState: (state) => channel.tell('state', state) });
  const channel = new Channel<FromIndex, NoRequests, ToIndex, AskedOfIndex>(port, {
    listeners: { changed: (ids) => keeper?.note(ids) },
    answers: {
      list: async (request) => {
        await keeper?.settle(SETTLE_MS);
        return keeper && listByIndex((read) => keeper.use(read), files, request);
      },
      stats: async (request) => {
        await keeper?.settle(SETTLE_MS);
        return keeper && countByIndex((read) => keeper.use(read), files, request);
      },
      close: async () => {
        await keeper?.close();
        return undefined;
      },
    },
  });
  if (keeper === undefined) channel.tell('none', undefined);
  else keeper.start();
}
