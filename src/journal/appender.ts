import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Books } from '../books.ts';
import { errnoOf } from '../errors.ts';
import { ownIdentity } from '../system/process-identity.ts';
import type { SegmentFile } from './journal.ts';
import type { JournalEntry, TelemetrySource } from './line.ts';
import { formatSegmentName } from './segment-name.ts';
import { SegmentWriter } from './segment-writer.ts';

/** Interval of touches of the open segment, which show that its owner is alive. */
const TOUCH_MS = 1_000;

export interface AppenderOptions {
  /** `TASK_LOGS_DIR/_journal`. */
  readonly directory: string;
  /** Keys of the destinations of every record appended here. */
  readonly destinations: readonly string[];
  readonly books: Books;
}

/** Learns which segments there are and when there is something new in them. */
export interface AppenderListener {
  /** Called once for each segment, before its first `appended`. */
  opened(segment: SegmentFile): void;
  /** Called after each write. */
  appended(): void;
  /** Nothing more is appended to this segment. */
  completed(id: string): void;
}

/**
 * The part of the journal in the thread that records: appends, and sends nothing. Whatever sends follows the segments by their
 * files.
 */
export class Appender {
  readonly #books: Books;
  readonly #writer: SegmentWriter;
  readonly #touches: NodeJS.Timeout;
  #listener: AppenderListener | undefined;
  #open: SegmentFile | undefined;

  constructor({ directory, destinations, books }: AppenderOptions) {
    this.#books = books;
    this.#writer = new SegmentWriter({
      directory,
      destinations,
      onAppend: (segment) => this.#onAppend(segment),
      onFull: ({ id }) => {
        if (this.#open?.id === id) this.#open = undefined;
        this.#listener?.completed(id);
      },
      onDropped: (reason, count) => books.countDropped(reason, count),
      onState: (reason) => books.setReason('journal', reason),
    });
    this.#touches = setInterval(() => this.#writer.checkFile(), TOUCH_MS).unref();
  }

  listen(listener: AppenderListener): void {
    this.#listener = listener;
  }

  append(source: TelemetrySource, entry: JournalEntry): void {
    this.#books.countRecorded();
    this.#writer.append(source, entry);
  }

  /** Writes appended records to the operating system before it returns. A failed write shows in `/readyz`. */
  flush(): void {
    this.#writer.flush();
  }

  /** Records held in memory because the last write failed. */
  get unwritten(): number {
    return this.#writer.pendingCount;
  }

  /** Writes waiting records and completes the segment. */
  close(): void {
    clearInterval(this.#touches);
    this.#writer.close();
  }

  #onAppend({ id, path }: SegmentFile): void {
    if (this.#open?.id !== id) {
      this.#open = { id, path };
      this.#listener?.opened(this.#open);
    }
    this.#listener?.appended();
  }
}

/**
 * Leaves segments to the next process that sends: as owned by a thread of a living process they would wait for its end.
 * Synchronous, for the `exit` handler of a process.
 */
export function releaseSegments(directory: string, segments: Iterable<SegmentFile>): void {
  for (const { id, path } of segments) {
    try {
      renameSync(path, join(directory, formatSegmentName({ id, owner: ownIdentity(), state: 'closed' })));
    } catch (error) {
      // Sent and removed meanwhile, or not in place: then it is claimed by its age.
      if (errnoOf(error) === undefined) throw error;
    }
  }
}
