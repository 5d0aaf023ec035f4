import type { Config } from '../../config/config.ts';
import type { TelemetrySource } from '../../journal/line.ts';
import type { WrittenSegment } from '../../journal/segment.ts';

/** With what the holder's thread starts. */
export interface ThreadStart {
  readonly config: Config;
  readonly hold: 'may' | 'must' | 'never';
  /** Of the spans that the holder builds. */
  readonly source: TelemetrySource;
  /** Masked in everything that is stored. */
  readonly secrets: readonly string[];
  /** Of the lock file. */
  readonly token: string;
  /** Undefined for the first thread of a trail. */
  readonly former: FormerThread | undefined;
  /** `newCells`. */
  readonly cells: Int32Array;
}

/** What a thread that has ended leaves to the next one. */
export interface FormerThread {
  readonly tokens: readonly string[];
  /** Base URL of its receiver: agents that run have it in their environment. */
  readonly url: string | undefined;
  readonly segments: readonly WrittenSegment[];
}

/** Counts up while the holder's thread runs. */
export const BEAT = 0;
/** 1 from a message that records were appended until the holder's thread has looked at them: one message is enough. */
export const APPENDED = 1;
const CELLS = 2;

/** One number for each of the cells above, in memory that both threads share. */
export function newCells(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT));
}
