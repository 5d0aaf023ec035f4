import { onTestFinished } from 'vitest';
import type { TaskPage, TaskQuery } from '../../src/model/task-reading.ts';
import type { Driver } from '../../src/search/index/driver/driver.ts';
import { loadDriver } from '../../src/search/index/driver/load-driver.ts';
import { IndexKeeper } from '../../src/search/index/index-keeper.ts';
import { listByIndex } from '../../src/search/list/index-list.ts';
import { createTaskLists } from '../../src/search/list/task-lists.ts';
import { createTaskSource } from '../../src/store/read/task-source.ts';
import { until } from './until.ts';

/** Those of this Node: the one in WebAssembly always, Node's own from 22.16 on. */
export async function loadDrivers(): Promise<readonly Driver[]> {
  const loaded = [await loadDriver('node:sqlite'), await loadDriver('node-sqlite3-wasm')];
  return loaded.filter((driver) => driver !== undefined);
}

/** An index that has all tasks of the directory. */
export async function openIndex(logDir: string, driver: Driver): Promise<IndexKeeper> {
  const keeper = new IndexKeeper({ logDir, files: createTaskSource(logDir), driver });
  onTestFinished(() => keeper.close());
  keeper.start();
  await until(() => keeper.state.isComplete, 'the index');
  return keeper;
}

/** Lists by the index alone, or without one by the files alone. */
export function listsOf(logDir: string, keeper?: IndexKeeper): (query: TaskQuery) => Promise<TaskPage> {
  const files = createTaskSource(logDir);
  if (keeper === undefined) return createTaskLists({ files });
  return createTaskLists({
    files,
    askIndex: async (request) => {
      await keeper.settle(45_000);
      const page = await listByIndex((read) => keeper.use(read), files, request);
      if (page === undefined) throw new Error(`there is no index: ${JSON.stringify(keeper.state)}`);
      return page;
    },
  });
}
