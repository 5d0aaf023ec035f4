import type { TelemetryBatch } from '../model/otlp.ts';
import type { Sender } from '../model/sender.ts';

export interface IngestResult {
  /** Records that were rejected for their content. The sender is informed and does not send them again. */
  readonly rejected: number;
  readonly reasons: readonly string[];
}

/** Stores the batches of the receiver. A resolved promise means that the request is durable up to this batch, unless it `hasMore`. */
export interface Sink {
  /**
   * `sender` sent the whole batch. A rejection means "not now": the sender gets 503 and sends the whole request again.
   */
  ingest(batch: TelemetryBatch, sender: Sender): Promise<IngestResult>;
}
