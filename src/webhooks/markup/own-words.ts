/** Stands in the place of a quotation: what introduces it, and what follows it, can be told apart. */
export const QUOTED: unique symbol = Symbol('quoted');

export type Line = string | typeof QUOTED;

/** Stands in the place of code and struck-out text within a line. It is no word, and separates words. */
const GAP = ' `…` ';

/** What a reader of markup calls: it collects the lines that are the author's own words. */
export class OwnWords {
  readonly lines: Line[] = [];
  /** False when a part was too long to be read. */
  isWhole = true;
  #line = '';
  #hidden = 0;

  get isHidden(): boolean {
    return this.#hidden > 0;
  }

  get isEmpty(): boolean {
    return this.lines.length === 0 && this.#line === '';
  }

  /** Each newline in it ends a line. */
  text(text: string): void {
    if (this.#hidden > 0) return;
    if (!text.includes('\n')) {
      this.#line += text;
      return;
    }
    const [first = '', ...others] = text.split('\n');
    this.#line += first;
    for (const line of others) {
      this.endLine();
      this.#line = line;
    }
  }

  /** Something within a line that is not the author's own words. */
  gap(): void {
    if (this.#hidden === 0) this.#line += GAP;
  }

  endLine(): void {
    if (this.#hidden > 0 || this.#line === '') return;
    this.lines.push(this.#line);
    this.#line = '';
  }

  /** A quotation of one or more lines. */
  quotation(): void {
    this.endLine();
    if (this.#hidden === 0 && this.lines.at(-1) !== QUOTED) this.lines.push(QUOTED);
  }

  /** What follows is hidden until as many calls of `show`. */
  hide(kind: 'quotation' | 'code'): void {
    if (kind === 'quotation') this.quotation();
    else this.gap();
    this.#hidden += 1;
  }

  show(): void {
    this.#hidden -= 1;
  }
}
