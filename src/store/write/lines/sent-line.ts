import { isMark, type SenderMark } from '../../../model/sender.ts';

/**
 * Key of a line whose sender may be marked. The record that the trail sends itself is another line than a copy that another
 * sender has sent before. The mark stands last, so that keys sort as their ids. No id has a space.
 */
export function sentId({ event_id: id, sender }: SentLine): string {
  return keyOf(id, sender);
}

export interface SentLine {
  readonly timestamp: string;
  readonly event_id: string;
  readonly sender?: SenderMark;
}

/** A set of keys. */
interface Keys {
  has(key: string): boolean;
}

/** Whether one of these lines is a record, or a copy of it that counts as much. */
export function hasRecord(keys: Keys, { event_id: id, sender }: SentLine): boolean {
  return hasSent(keys, id, sender);
}

/** `hasRecord` for what has another id than that of an event. */
export function hasSent(keys: Keys, id: string, sender: SenderMark | undefined): boolean {
  return keys.has(keyOf(id, sender)) || isOutranked(keys, id, sender);
}

/** The key of what has another id than that of an event. */
export function keyOf(id: string, sender: SenderMark | undefined): string {
  return sender === undefined ? id : `${id} ${sender}`;
}

/** Senders with more rights than those of a mark, and with fewer. Undefined is the trail. */
const ABOVE: Readonly<Record<SenderMark, readonly (SenderMark | undefined)[]>> = {
  agent: [undefined],
  anonymous: [undefined, 'agent'],
};
const BELOW: Readonly<Record<SenderMark | 'trail', readonly SenderMark[]>> = {
  trail: ['agent', 'anonymous'],
  agent: ['anonymous'],
  anonymous: [],
};

function isOutranked(keys: Keys, id: string, sender: SenderMark | undefined): boolean {
  return sender !== undefined && ABOVE[sender].some((above) => keys.has(keyOf(id, above)));
}

/** A file in which lines are marked for removal. */
interface Superseding extends Keys {
  supersede(key: string): void;
}

/** Of several lines of one record in a file, the one whose sender has the most rights stays. `lines` have keys of `keyOf`. */
export function supersedeCopies(file: Superseding, lines: readonly { readonly id: string }[]): void {
  for (const { id: key } of lines) {
    const [id = key, mark] = key.split(' ');
    const sender = isMark(mark) ? mark : undefined;
    if (isOutranked(file, id, sender)) file.supersede(key);
    for (const below of BELOW[sender ?? 'trail']) {
      const copy = keyOf(id, below);
      if (file.has(copy)) file.supersede(copy);
    }
  }
}
