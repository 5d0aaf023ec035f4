import { isPlainCharacter, normalized, soughtWords } from './text-words.ts';

/** A word or a phrase of a query. */
export interface TextTerm {
  /** Normalized; spaces are single. */
  readonly text: string;
  /** Words of the index that a text with this term has; the last one is the beginning of a word for `isPrefix`. */
  readonly words: readonly string[];
  /** Whether these words say that the text has the term. */
  readonly isExact: boolean;
  /** `deplo*`: words that begin so. */
  readonly isPrefix: boolean;
}

/** Undefined for a text without a letter, a digit or a symbol: no word of the index would limit the search. */
export function textTerm(text: string, isPrefix: boolean): TextTerm | undefined {
  const sought = comparable(text).trim();
  const { words, isExact } = soughtWords(sought);
  return words.length === 0 ? undefined : { text: sought, words, isExact, isPrefix };
}

/** Reads the texts of one task, piece by piece, and says which terms they have. A phrase stands in one piece. */
export class TextMatch {
  readonly #terms: readonly TextTerm[];
  readonly #found: boolean[];

  constructor(terms: readonly TextTerm[]) {
    this.#terms = terms;
    this.#found = terms.map(() => false);
  }

  read(piece: string): void {
    if (this.isComplete) return;
    const text = comparable(piece);
    for (const [index, term] of this.#terms.entries()) this.#found[index] ||= hasTerm(text, term);
  }

  /**
   * Whether a text of this JSON line may have a term that was not found yet. Most lines are ruled out as they stand, which costs a
   * tenth of reading their texts.
   */
  mayBeIn(line: string): boolean {
    // Not as in its texts: escapes, other scripts, and spaces that count as one.
    if (UNLIKE_TEXT.test(line) || line.includes('  ')) return true;
    const text = line.toLowerCase();
    return this.#terms.some(
      (term, index) => !this.#found[index] && (NUMBER_LIKE.test(term.text) || text.includes(term.text)),
    );
  }

  /** Whether all terms were found, so that the rest of the texts need not be read. */
  get isComplete(): boolean {
    return this.#found.every((isFound) => isFound);
  }

  /** By term, in their order. */
  get found(): readonly boolean[] {
    return this.#found;
  }
}

const UNLIKE_TEXT = /[\\\x7f-\uffff]/;

/** A number is read as JavaScript writes it, and JSON may have it in another form. */
const NUMBER_LIKE = /^[0-9einfty+.-]*$/;

function comparable(text: string): string {
  return normalized(text).replace(/\s+/g, ' ');
}

/** A term that begins or ends with a letter or digit of a plain script does so at the border of a word. */
function hasTerm(text: string, { text: sought, isPrefix }: TextTerm): boolean {
  const [first = '', last = ''] = [firstCharacter(sought), lastCharacter(sought)];
  const isStartBound = isPlainCharacter(first);
  const isEndBound = !isPrefix && isPlainCharacter(last);
  for (let at = text.indexOf(sought); at >= 0; ) {
    const end = at + sought.length;
    const startsWell =
      !isStartBound || at === 0 || !isPlainCharacter(lastCharacter(text.slice(Math.max(0, at - 2), at)));
    const endsWell =
      !isEndBound || end === text.length || !isPlainCharacter(firstCharacter(text.slice(end, end + 2)));
    if (startsWell && endsWell) return true;
    // A later start within the same word is not at its border: without the jump `aaa...` takes quadratic time.
    at = text.indexOf(sought, isStartBound ? wordEnd(text, at) : at + 1);
  }
  return false;
}

/** Behind the letters and digits from `at` on; at least one further. */
function wordEnd(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && isPlainCharacter(String.fromCodePoint(text.codePointAt(end) ?? 0)))
    end += (text.codePointAt(end) ?? 0) > 0xff_ff ? 2 : 1;
  return end;
}

function firstCharacter(text: string): string {
  const code = text.codePointAt(0);
  return code === undefined ? '' : String.fromCodePoint(code);
}

function lastCharacter(text: string): string {
  return firstCharacter(text.slice(/[\udc00-\udfff]$/.test(text) && text.length > 1 ? -2 : -1));
}
