import { Books } from '../../src/books.ts';
import type { TelemetryBatch } from '../../src/model/otlp.ts';
import { type Sender, TRAIL } from '../../src/model/sender.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import type { Reader } from '../../src/serve/reader.ts';
import { searchingReader } from '../../src/trail/search/searching-reader.ts';
import { warehouseReader } from '../../src/trail/search/warehouse-reader.ts';
import { VictoriaLogs } from '../../src/warehouse/client.ts';
import { RowSink } from '../../src/warehouse/write/row-sink.ts';
import { ask, type Got, listen } from '../serve/log-server.ts';
import { newStore, type TestStore } from './log-dir.ts';
import type { VictoriaLogsServer } from './victoria-logs.ts';

/** The same records in files and in VictoriaLogs, with one clock, and REST over both. */
export interface TwoStores {
  readonly files: TestStore;
  readonly sink: RowSink;
  readonly books: Books;
  readonly readers: { readonly files: Reader; readonly rows: Reader };
  /** Stores in both, and demands the same result. */
  ingest(batch: TelemetryBatch, sender?: Sender): Promise<void>;
  pass(ms: number): Promise<void>;
  /** The answers of both. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<readonly [files: Got, rows: Got]>;
}

export async function twoStores(server: VictoriaLogsServer): Promise<TwoStores> {
  const files = await newStore();
  const logs = new VictoriaLogs(server.newTenant());
  const books = new Books();
  const sink = new RowSink({ logs, books, now: files.now, log: () => {} });
  const readers = {
    files: searchingReader({ logDir: files.dir, workflowDir: `${files.dir}/_workflow`, s3: undefined }),
    rows: warehouseReader({ logs, now: files.now, keepMs: 0 }),
  };
  const ports = await Promise.all(
    [readers.files, readers.rows].map((reader) => listen(serveLogs({ reader }))),
  );
  return {
    files,
    sink,
    books,
    readers,
    ingest: async (batch, sender = TRAIL) => {
      const [inFiles, inRows] = [await files.store.ingest(batch, sender), await sink.ingest(batch, sender)];
      if (JSON.stringify(inFiles) !== JSON.stringify(inRows))
        throw new Error(`not the same: ${JSON.stringify(inFiles)} and ${JSON.stringify(inRows)}`);
      await server.flush();
    },
    pass: (ms) => files.pass(ms),
    get: async (path, headers = {}) => {
      const [one, other] = await Promise.all(ports.map((port) => ask(port, path, { headers })));
      if (one === undefined || other === undefined) throw new Error('no answer');
      return [one, other];
    },
  };
}
