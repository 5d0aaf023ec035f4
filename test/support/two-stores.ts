import { Books } from '../../src/books.ts';
import type { TelemetryBatch } from '../../src/model/otlp.ts';
import { type Sender, TRAIL } from '../../src/model/sender.ts';
import { startReceiver } from '../../src/receive/server.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import type { Reader } from '../../src/serve/reader.ts';
import { searchingReader } from '../../src/trail/search/searching-reader.ts';
import { warehouseReader } from '../../src/trail/search/warehouse-reader.ts';
import { VictoriaLogs } from '../../src/warehouse/client.ts';
import { RowSink } from '../../src/warehouse/write/row-sink.ts';
import { ask, type Got, listen } from '../serve/log-server.ts';
import { afterTest } from './current-test.ts';
import { newStore, type TestStore } from './log-dir.ts';
import type { VictoriaLogsServer } from './victoria-logs.ts';

/** Of both receivers. */
export const KEY: string = 'k'.repeat(64);

/** The same records in files and in VictoriaLogs, with one clock, and REST over both. */
export interface TwoStores {
  readonly files: TestStore;
  readonly sink: RowSink;
  readonly books: Books;
  readonly readers: { readonly files: Reader; readonly rows: Reader };
  /** Stores in both, and demands the same result. */
  ingest(batch: TelemetryBatch, sender?: Sender): Promise<void>;
  /** Sends an OTLP request to a receiver of each, and demands the same answer. */
  post(path: string, body: Buffer | string, type: string, token?: string): Promise<void>;
  pass(ms: number): Promise<void>;
  /** Of REST over both. */
  readonly ports: readonly number[];
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
  // Two processes over one VictoriaLogs: each batch is taken by the other one of them.
  const sinks = [sink, new RowSink({ logs, books, now: files.now, log: () => {} })] as const;
  let turn = 0;
  const nextSink = (): RowSink => sinks[(turn++ % 2) as 0 | 1];
  const secrets = { key: KEY };
  const receivers = await Promise.all(
    [
      files.store,
      { ingest: (batch: TelemetryBatch, sender: Sender) => nextSink().ingest(batch, sender) },
    ].map((one) => startReceiver({ host: '127.0.0.1', port: 0, sink: one, secrets })),
  );
  afterTest(async () => {
    for (const receiver of receivers) await receiver.close(0);
  });
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
    post: async (path, body, type, token) => {
      const headers = {
        'content-type': type,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      const answers: string[] = [];
      for (const { url } of receivers) {
        const answer = await fetch(`${url}/v1/${path}`, { method: 'POST', headers, body });
        answers.push(`${answer.status} ${await answer.text()}`);
      }
      if (answers[0] !== answers[1]) throw new Error(`not the same: ${answers.join(' and ')}`);
      await server.flush();
    },
    pass: (ms) => files.pass(ms),
    ports,
    get: async (path, headers = {}) => {
      const [one, other] = await Promise.all(ports.map((port) => ask(port, path, { headers })));
      if (one === undefined || other === undefined) throw new Error('no answer');
      return [one, other];
    },
  };
}
