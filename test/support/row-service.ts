import { Books } from '../../src/books.ts';
import type { ReceivedLog, TelemetryBatch } from '../../src/model/otlp.ts';
import { type Sender, TRAIL } from '../../src/model/sender.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { warehouseReader } from '../../src/trail/search/warehouse-reader.ts';
import { VictoriaLogs } from '../../src/warehouse/client.ts';
import { RowSink } from '../../src/warehouse/write/row-sink.ts';
import { listen } from '../serve/log-server.ts';

/** Sink, reader and REST of one service over a VictoriaLogs. */
export interface RowService {
  readonly port: number;
  readonly sink: RowSink;
  logs(logs: readonly ReceivedLog[], sender?: Sender): Promise<void>;
  ingest(batch: TelemetryBatch, sender?: Sender): Promise<void>;
  /** Until VictoriaLogs takes it, as senders do. */
  keepSending(logs: readonly ReceivedLog[]): Promise<void>;
}

/** `clockMs`: so far its clock is ahead. */
export async function rowService(store: string, clockMs: number = 0): Promise<RowService> {
  const logs = new VictoriaLogs(store);
  const now = (): number => Date.now() + clockMs;
  const sink = new RowSink({ logs, books: new Books(), now, log: () => {} });
  const handler = serveLogs({ reader: warehouseReader({ logs, now }) });
  const ingest = async (batch: TelemetryBatch, sender: Sender = TRAIL): Promise<void> => {
    const { rejected, reasons } = await sink.ingest(batch, sender);
    if (rejected > 0) throw new Error(reasons.join());
  };
  return {
    port: await listen(handler),
    sink,
    ingest,
    logs: (records, sender) => ingest({ logs: records, spans: [] }, sender),
    keepSending: async (records) => {
      for (;;) {
        try {
          return await ingest({ logs: records, spans: [] });
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    },
  };
}
