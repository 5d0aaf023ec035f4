import type { TelemetryBatch } from '../model/otlp.ts';

export interface IngestResult {
  /** Records that were refused for what is in them: the sender is told, and does not send them again. */
  readonly rejected: number;
  readonly reasons: readonly string[];
}

/** Who takes what the receiver has read. A promise that is kept means that the batch is safe. */
export interface Sink {
  /** Throwing means "not now": the sender gets 503 and sends the whole request again. */
  ingest(batch: TelemetryBatch): Promise<IngestResult>;
}
