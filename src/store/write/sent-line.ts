import type { SenderMark } from '../../model/sender.ts';

/**
 * Key of a line whose sender is marked. The record that the trail sends itself is another line than a copy that a collector
 * has sent before, whose sender is not known.
 */
export function sentId({ event_id: id, sender }: SentLine): string {
  return sender === undefined ? id : `${sender} ${id}`;
}

export interface SentLine {
  readonly timestamp: string;
  readonly event_id: string;
  readonly sender?: SenderMark;
}

/** Whether one of these lines is a record, or a copy of it that counts as much. */
export function hasRecord(ids: { has(id: string): boolean }, line: SentLine): boolean {
  return ids.has(line.event_id) || ids.has(sentId(line));
}
