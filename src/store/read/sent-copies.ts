import { type JsonObject, parseObject } from '../../model/json.ts';
import { compareMarks, isMark, type SenderMark } from '../../model/sender.ts';

/** Bits of the filter: 1 MiB, so that memory does not grow with a file. A collision only keeps one more id. */
const FILTER_BITS = 2 ** 23;

/** A line of an unmarked sender has this text only within its content. */
const MARK_TEXT = '"sender":';

/**
 * Finds the lines of a file that another line stands for: the same record, from a sender with more rights. In a running task
 * the store appends such a line behind the copy, which it removes after the end. Memory grows with the copies, not with the
 * file.
 */
export class SentCopies {
  /** The senders with the most rights, by the ids of lines that may have a copy before them. */
  readonly #best = new Map<string, SenderMark | 'trail'>();
  #marked: Uint8Array | undefined;

  /** Takes the lines in their order. */
  add(text: string): void {
    const isMarked = text.includes(MARK_TEXT);
    if (!isMarked && this.#marked === undefined) return;
    const { event_id: id, sender } = readSent(text);
    if (id === undefined) return;
    // A copy always stands before the line that it is a copy of.
    if (this.#hasMarked(id)) this.#note(id, sender);
    if (sender !== undefined) this.#mark(id);
  }

  /** Whether another line stands for this one. */
  has(text: string): boolean {
    if (this.#best.size === 0 || !text.includes(MARK_TEXT)) return false;
    const { event_id: id, sender } = readSent(text);
    const best = id === undefined ? undefined : this.#best.get(id);
    return best !== undefined && compareMarks(markOf(best), sender) < 0;
  }

  #note(id: string, sender: SenderMark | undefined): void {
    const best = this.#best.get(id);
    if (best === undefined || compareMarks(sender, markOf(best)) < 0) this.#best.set(id, sender ?? 'trail');
  }

  #hasMarked(id: string): boolean {
    const bit = bitOf(id);
    return ((this.#marked?.[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  #mark(id: string): void {
    this.#marked ??= new Uint8Array(FILTER_BITS / 8);
    const bit = bitOf(id);
    this.#marked[bit >>> 3] = (this.#marked[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
}

interface Sent {
  readonly event_id: string | undefined;
  readonly sender: SenderMark | undefined;
}

function readSent(text: string): Sent {
  const { event_id: id, sender }: JsonObject = parseObject(text) ?? {};
  return { event_id: typeof id === 'string' ? id : undefined, sender: isMark(sender) ? sender : undefined };
}

function markOf(sender: SenderMark | 'trail'): SenderMark | undefined {
  return sender === 'trail' ? undefined : sender;
}

/** FNV-1a, for a place in the filter. */
function bitOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % FILTER_BITS;
}
