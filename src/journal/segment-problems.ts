import type { Books } from '../books.ts';
import { errnoOf, messageOf } from '../errors.ts';
import { safeName } from '../redact/log-line.ts';
import { isJournalName, parseSegmentName, WORKFLOW_STATE } from './segment-name.ts';
import { SegmentReader } from './segment-reader.ts';

/** An unreadable segment is tried again this often: a person may have mended its permissions. */
const ASIDE_MS = 2_000;

/** Names that a notice shows. */
const SHOWN_MAX = 3;

interface Aside {
  readonly reason: string;
  /** On the clock of `performance.now()`. */
  readonly untilMs: number;
}

/**
 * Segments that cannot be read, segments that end in half a record, and other files in the directory: named as notices, so
 * that the others go on.
 */
export class SegmentProblems {
  readonly #books: Books;
  /** By id: segments that could not be read, and when they are tried again. */
  readonly #aside = new Map<string, Aside>();
  /** Ids of segments with half a record at their end. */
  readonly #torn = new Set<string>();

  constructor(books: Books) {
    this.#books = books;
  }

  /** Whether the segment is not to be tried yet. */
  isAside(id: string): boolean {
    return (this.#aside.get(id)?.untilMs ?? 0) > performance.now();
  }

  /** Whether the last try to read it has failed. */
  has(id: string): boolean {
    return this.#aside.has(id);
  }

  /** Whether a segment is to be tried again now. */
  get isRetryDue(): boolean {
    const now = performance.now();
    return [...this.#aside.values()].some(({ untilMs }) => untilMs <= now);
  }

  setAside(id: string, error: unknown): void {
    const advice = ACCESS.has(errnoOf(error) ?? '') ? '. Give this user read access, and it is sent too' : '';
    const reason = safeName(messageOf(error)) + advice;
    this.#aside.set(id, { reason, untilMs: performance.now() + ASIDE_MS });
    this.#tell();
  }

  /** The segment could be read, or is gone. */
  clear(id: string): void {
    if (this.#aside.delete(id)) this.#tell();
  }

  /** What another version, another program or another user has left is not to be touched: it is noted, and tried again later. */
  async canRead(path: string, id: string): Promise<boolean> {
    if (this.isAside(id)) return false;
    try {
      await SegmentReader.check(path);
    } catch (error) {
      // Else another process has claimed it.
      if (errnoOf(error) !== 'ENOENT') this.setAside(id, error);
      return false;
    }
    this.clear(id);
    return true;
  }

  /** Looks at the names in the directory: forgets the segments that are gone, and names what is not of the journal. */
  look(names: readonly string[]): void {
    const ids = new Set(names.map((name) => parseSegmentName(name)?.id));
    for (const id of this.#aside.keys()) if (!ids.has(id)) this.clear(id);
    this.#noteStrangers(names.filter((name) => name !== WORKFLOW_STATE && !isJournalName(name)));
  }

  noteTorn(id: string): void {
    // Each destination comes to the end.
    if (this.#torn.has(id)) return;
    this.#torn.add(id);
    const what = this.#torn.size === 1 ? 'one segment ends' : `${this.#torn.size} segments end`;
    this.#books.setNotice(
      'journal tails',
      `${what} in half a record or in NUL: its process was killed, or the power was cut, before it was written`,
    );
  }

  #noteStrangers(names: readonly string[]): void {
    const shown = names.slice(0, SHOWN_MAX).map((name) => `"${safeName(name, 80)}"`);
    const more = names.length > SHOWN_MAX ? ', ...' : '';
    const what =
      names.length === 1
        ? 'one name is not of the journal and stays there'
        : `${names.length} names are not of the journal and stay there`;
    const text = `${what}: ${shown.join(', ')}${more}`;
    this.#books.setNotice('journal strangers', names.length === 0 ? undefined : text);
  }

  #tell(): void {
    const [first] = this.#aside.values();
    this.#books.setNotice('journal segments', first && asideText(first.reason, this.#aside.size));
  }
}

const ACCESS: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);

function asideText(reason: string, count: number): string {
  const what = count === 1 ? 'one segment cannot be read and is' : `${count} segments cannot be read and are`;
  return `${what} set aside in _journal; all others are sent: ${reason}`;
}
