import { isTurnOver, nextTurn } from '../../system/turns.ts';
import { textPieces } from './text-pieces.ts';
import { forEachWord, isPlainText, normalized } from './text-words.ts';

/**
 * Different words of a task. More are those of blobs and of numbers, of which a hostile output can have any number: they are
 * not found.
 */
const WORDS_MAX = 100_000;

/** Characters of a task that SQLite cuts into words: they cannot be more than the words that are kept here. */
const PLAIN_MAX = 500_000;

/** The words of one task. */
export class TaskWords {
  readonly #words = new Set<string>();
  readonly #plain: string[] = [];
  #plainLength = 0;

  async add(text: string): Promise<void> {
    for (const piece of textPieces(text)) {
      if (this.#words.size >= WORDS_MAX) return;
      this.#addPiece(piece);
      if (isTurnOver()) await nextTurn();
    }
  }

  /** What is put into the full text. */
  text(): string {
    return [...this.#plain, [...this.#words].join(' ')].join('\n');
  }

  #addPiece(text: string): void {
    // Cut by SQLite in a third of the time that a set of all words takes.
    if (this.#plainLength + text.length <= PLAIN_MAX && isPlainText(text)) {
      this.#plain.push(text);
      this.#plainLength += text.length;
      return;
    }
    forEachWord(normalized(text), (word) => {
      if (this.#words.size < WORDS_MAX) this.#words.add(word);
    });
  }
}
