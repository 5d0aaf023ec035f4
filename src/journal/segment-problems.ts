import type { Books } from '../books.ts';
import { messageOf } from '../errors.ts';
import type { Segment } from './segment.ts';

/** An unreadable segment is tried again this often: a person may have mended its permissions. */
const ASIDE_MS = 2_000;

interface Aside {
  readonly reason: string;
  /** On the clock of `performance.now()`. */
  readonly untilMs: number;
}

/** Segments that cannot be read, and segments that end in half a record: named as notices, so that the others go on. */
export class SegmentProblems {
  readonly #books: Books;
  /** Segments that could not be read, and when they are tried again. */
  readonly #aside = new Map<Segment, Aside>();
  /** Ids of segments with half a record at their end. */
  readonly #torn = new Set<string>();

  constructor(books: Books) {
    this.#books = books;
  }

  isAside(segment: Segment): boolean {
    return (this.#aside.get(segment)?.untilMs ?? 0) > performance.now();
  }

  /** Whether a segment is to be tried again now. */
  get isRetryDue(): boolean {
    const now = performance.now();
    return [...this.#aside.values()].some(({ untilMs }) => untilMs <= now);
  }

  setAside(segment: Segment, error: unknown): void {
    this.#aside.set(segment, { reason: messageOf(error), untilMs: performance.now() + ASIDE_MS });
    this.#tell();
  }

  /** The segment could be read, or is gone. */
  clear(segment: Segment): void {
    if (this.#aside.delete(segment)) this.#tell();
  }

  noteTorn({ id }: Segment): void {
    // Each destination comes to the end.
    if (this.#torn.has(id)) return;
    this.#torn.add(id);
    const what = this.#torn.size === 1 ? 'one segment ends' : `${this.#torn.size} segments end`;
    this.#books.setNotice(
      'journal tails',
      `${what} in half a record or in NUL: its process was killed, or the power was cut, before it was written`,
    );
  }

  #tell(): void {
    const [first] = this.#aside.values();
    this.#books.setNotice('journal segments', first && asideText(first.reason, this.#aside.size));
  }
}

function asideText(reason: string, count: number): string {
  const what = count === 1 ? 'one segment cannot be read and is' : `${count} segments cannot be read and are`;
  return `${what} set aside; all others are sent: ${reason}. Give this user read access, and it is sent too`;
}
