import { TasktrailError } from '../../errors.ts';

/** Limits of a request. Beyond one of them the request is refused with 413, before anything of it is built. */
const REQUEST_MAX = {
  /** Sixty batches of the collector's usual size (8,192). */
  records: 500_000,
  /** Resource and scope entries together. */
  entries: 200_000,
  /**
   * Attributes, list items, events and links, and the objects inside of them. 64 MiB of real telemetry contain about 2
   * million.
   */
  values: 8_000_000,
} as const;

/**
 * Limits of a record: it is read, redacted and written in one piece, in which nothing else runs. A record beyond one of
 * them is rejected alone.
 */
export const RECORD_MAX = {
  /** More than any record of tasktrail's own has: each of the 40,000 values of a caller takes up to three. */
  values: 120_000,
  bytes: 33_554_432,
} as const;

/** Largest resource or scope entry without its records, in bytes. */
export const ENTRY_BYTES_MAX = 262_144;

/** Most bytes of resources in the spans of a request: each span's line repeats its resource. */
export const REPEATED_BYTES_MAX = 268_435_456;

/** How the usual senders make smaller requests. */
const SMALLER_BATCHES =
  'send smaller batches (OpenTelemetry Collector: send_batch_max_size of the batch processor, or sending_queue.batch.max_size ' +
  'of the exporter; SDKs: OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE)';

/** The error for a request over a limit; `problem` names the limit. */
export function requestTooLarge(problem: string): TasktrailError {
  return new TasktrailError('ERR_TOO_LARGE', `${problem}: ${SMALLER_BATCHES}`);
}

/** Counts what a request holds while it is scanned. Throws `ERR_TOO_LARGE` beyond a limit. */
export class RequestCount {
  #records = 0;
  #entries = 0;
  #values = 0;

  addRecord(): void {
    this.#records += 1;
    if (this.#records > REQUEST_MAX.records) throw tooMany('records', REQUEST_MAX.records);
  }

  addEntry(): void {
    this.#entries += 1;
    if (this.#entries > REQUEST_MAX.entries) throw tooMany('resources and scopes', REQUEST_MAX.entries);
  }

  addValue(): void {
    this.#values += 1;
    if (this.#values > REQUEST_MAX.values) throw tooMany('values', REQUEST_MAX.values);
  }
}

function tooMany(what: string, max: number): TasktrailError {
  return requestTooLarge(`the request holds more than ${max} ${what}`);
}

/** Why a record of this size is rejected; undefined when it is within the limits. */
export function recordProblem({ bytes, values }: { bytes: number; values: number }): string | undefined {
  if (values > RECORD_MAX.values) return `a record holds more than ${RECORD_MAX.values} values`;
  if (bytes > RECORD_MAX.bytes) return `a record is larger than ${RECORD_MAX.bytes} bytes`;
  return undefined;
}

export const ENTRY_PROBLEM: string = `a resource or scope is larger than ${ENTRY_BYTES_MAX} bytes`;

export const REPEATED_PROBLEM: string = `the spans of a request repeat more than ${REPEATED_BYTES_MAX} bytes of resources`;
