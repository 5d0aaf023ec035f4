import type { Mark } from '../candidate.ts';
import type { OutboxState } from './outbox-state.ts';

/** Where notifications are kept: files of a log directory, or what several services share. */
export interface NotifyStorage {
  /** To be called before the others. Throws when it cannot be used now. */
  prepare(): Promise<void>;
  /** Undefined without a mark, and for a damaged one. */
  readMark(): Promise<Mark | undefined>;
  /** Durable when it resolves. */
  writeMark(mark: Mark): Promise<void>;
  /** Names of all receivers that have notifications here, sorted. */
  names(): Promise<readonly string[]>;
  open(receiver: string): OutboxLines;
  /** Removes those of receivers without a change for so long. */
  removeUnchanged(receiver: string, ms: number): Promise<void>;
  /** Whether this process still may send, and no other one. `isFresh`: it asks again. */
  holds(isFresh: boolean): Promise<boolean>;
}

/** The lines of one receiver. The last one about a notification counts. */
export interface OutboxLines {
  /** Undefined without lines. */
  read(): Promise<OutboxState | undefined>;
  /** A failed one may leave a part of the text: all lines are to be replaced before the next one. */
  append(text: string): Promise<void>;
  /** Durable when it resolves. */
  replace(text: string): Promise<void>;
  /** Makes what was appended durable. */
  sync(): Promise<void>;
}
