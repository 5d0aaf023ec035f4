import type { Token } from 'parse5';
import type { OwnWords } from './own-words.ts';

/** Elements whose text is not the author's own, or is not shown. */
const HIDDEN: ReadonlyMap<string, 'quotation' | 'code'> = new Map(
  Object.entries({
    blockquote: 'quotation',
    q: 'code',
    pre: 'code',
    code: 'code',
    kbd: 'code',
    samp: 'code',
    tt: 'code',
    xmp: 'code',
    listing: 'code',
    plaintext: 'code',
    s: 'code',
    strike: 'code',
    del: 'code',
    script: 'code',
    style: 'code',
    template: 'code',
    textarea: 'code',
    title: 'code',
  }),
);

const LINES: ReadonlySet<string> = new Set(
  (
    'address article aside blockquote body br center dd details div dl dt fieldset figcaption figure footer form ' +
    'h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table tbody td tfoot th thead tr ul'
  ).split(' '),
);

/** Where mail programs begin the message that is answered, or a signature: `class` or `id` of an element. */
const MAIL_PARTS =
  /(?:^|[\s_-])(?:gmail_(?:quote|attr|extra|signature)|divRplyFwdMsg|appendonsend|yahoo_quoted|protonmail_quote|moz-cite-prefix)/;

type Parse5 = typeof import('parse5');

/** Loaded with the first text that needs it. */
export function loadHtml(): Promise<Parse5> {
  return import('parse5');
}

/**
 * Reads HTML in one or several pieces, with the tokenizer of the HTML standard. An element that is never closed hides the
 * rest. No tree: building one takes more than linear time on hostile input.
 */
export class HtmlReader {
  readonly #words: OwnWords;
  readonly #parse5: Parse5;
  /** Open hidden elements, by name. */
  readonly #open = new Map<string, number>();

  constructor(words: OwnWords, parse5: Parse5) {
    this.#words = words;
    this.#parse5 = parse5;
  }

  write(html: string): void {
    const { Tokenizer, TokenizerMode } = this.#parse5;
    const words = this.#words;
    const modes: Readonly<Record<string, typeof tokenizer.state>> = {
      script: TokenizerMode.RAWTEXT,
      style: TokenizerMode.RAWTEXT,
      textarea: TokenizerMode.RCDATA,
      title: TokenizerMode.RCDATA,
    };
    const tokenizer = new Tokenizer(
      {},
      {
        onStartTag: (tag) => {
          const mode = Object.hasOwn(modes, tag.tagName) ? modes[tag.tagName] : undefined;
          if (mode !== undefined) tokenizer.state = mode;
          this.#start(tag);
        },
        onEndTag: ({ tagName }) => this.#end(tagName),
        onCharacter: ({ chars }) => words.text(chars),
        // A line break of the source is a space. Where it is shown as one, in `pre`, the text is hidden.
        onWhitespaceCharacter: () => words.text(' '),
        onNullCharacter: () => {},
        onComment: () => {},
        onDoctype: () => {},
        onEof: () => {},
        onParseError: ({ code }) => {
          if (code === 'eof-in-comment') words.hide('code');
        },
      },
    );
    tokenizer.write(html, true);
  }

  #start({ tagName, attrs }: Token.TagToken): void {
    if (LINES.has(tagName)) this.#words.endLine();
    if (
      attrs.some(({ name, value }) => /^(?:class|id)$/.test(name) && MAIL_PARTS.test(value.slice(0, 200)))
    ) {
      this.#words.hide('quotation');
    }
    const kind = HIDDEN.get(tagName);
    if (kind === undefined) return;
    this.#open.set(tagName, (this.#open.get(tagName) ?? 0) + 1);
    this.#words.hide(kind);
  }

  #end(tagName: string): void {
    const open = this.#open.get(tagName) ?? 0;
    if (open > 0) {
      this.#open.set(tagName, open - 1);
      this.#words.show();
    }
    if (LINES.has(tagName)) this.#words.endLine();
  }
}
