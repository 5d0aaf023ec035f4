import { importRecords } from '../../src/cli/import/import.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { searchingReader } from '../../src/trail/search/searching-reader.ts';
import { warehouseReader } from '../../src/trail/search/warehouse-reader.ts';
import { VictoriaLogs } from '../../src/warehouse/client.ts';
import { ask, type Got, listen } from '../serve/log-server.ts';
import type { TwoStores } from '../support/two-stores.ts';
import { withOutput } from './with-output.ts';

/** More than a task takes to settle. */
const SETTLED_MS = 15_000;

/** A place whose REST answers are compared. */
export interface Place {
  readonly port: number;
}

export async function filesAt(dir: string): Promise<Place> {
  const reader = searchingReader({ logDir: dir, workflowDir: `${dir}/_workflow`, s3: undefined });
  return { port: await listen(serveLogs({ reader })) };
}

export async function rowsAt(address: string): Promise<Place> {
  const now = (): number => Date.now() + SETTLED_MS;
  const reader = warehouseReader({ logs: new VictoriaLogs(address), now, keepMs: 0 });
  return { port: await listen(serveLogs({ reader })) };
}

/** Two places, for `expectSameTask` and its neighbours. */
export function both(one: Place, other: Place): Pick<TwoStores, 'get' | 'ports'> {
  return {
    ports: [one.port, other.port],
    get: async (path, headers = {}) => {
      const [a, b] = await Promise.all([one, other].map(({ port }) => ask(port, path, { headers })));
      return [withoutRevision(a as Got), withoutRevision(b as Got)];
    },
  };
}

/** A document that was made again is its first revision: the number says how often it was written. */
function withoutRevision(got: Got): Got {
  const text = got.text.replace(/"revision":\d+/g, '"revision":1');
  return { ...got, text };
}

export interface Imported {
  readonly code: number;
  readonly stdout: string;
}

export async function runImport(flags: Parameters<typeof importRecords>[0]): Promise<Imported> {
  return withOutput(() => importRecords(flags));
}
