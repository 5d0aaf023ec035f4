import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IndexState } from '../../search/index/index-state.ts';
import { identityOf, isProcessAlive } from '../../system/process-identity.ts';
import { IndexThread, type IndexThreadOptions } from './index-thread.ts';
import type { AskedIndex } from './searching-reader.ts';

const PREFIX = 'tasktrail-index-';

/** An index of the tasks of a VictoriaLogs. */
export interface WarehouseIndex extends AskedIndex {
  /** Undefined while no query needs it. */
  readonly state: IndexState | undefined;
  close(): Promise<void>;
}

/**
 * The index of this process: in a temporary directory, made again from VictoriaLogs by each process, started by the first query
 * that needs it.
 */
export async function openWarehouseIndex(
  storeUrl: string,
  options: Pick<IndexThreadOptions, 'books' | 'entry' | 'idleMs'>,
): Promise<WarehouseIndex> {
  await removeLeft();
  const logDir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const thread = new IndexThread({ config: { logDir, fileMode: 'private' }, storeUrl, ...options });
  return {
    get state() {
      return thread.state;
    },
    list: (request) => thread.list(request),
    facets: (request) => thread.facets(request),
    stats: (request) => thread.stats(request),
    // Only tasks are in it.
    records: async () => undefined,
    close: async () => {
      await thread.close();
      await rm(logDir, { recursive: true, force: true });
    },
  };
}

/** Of processes that were killed. */
async function removeLeft(): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const [pid = ''] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-') : [];
    if (!/^[0-9]+$/.test(pid) || isProcessAlive(identityOf(Number(pid))) !== false) continue;
    // That of another user stays.
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}
