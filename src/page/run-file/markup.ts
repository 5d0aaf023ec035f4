import { UNSAFE_IN_TEXT } from '../../model/unsafe-characters.ts';

/** HTML that is made here. Everything else that gets into a document is text. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Piece = Markup | string | number | null | undefined | readonly Piece[];

/** A template whose values are escaped, unless they are markup themselves. Null and undefined are nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Markup {
  let text = parts[0] ?? '';
  for (const [index, value] of values.entries()) text += textOf(value) + (parts[index + 1] ?? '');
  return new Markup(text);
}

function textOf(value: Piece): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'object') return value.map(textOf).join('');
  return escaped(visible(String(value)));
}

/** Control sequences of terminals: colours, titles, links. Their text stays. */
const SEQUENCES = /(?![\n\t\r])\p{Cc}(?:\[[0-?]*[ -/]*[@-~]|\][^\p{Cc}]*(?![\n\t\r])\p{Cc}\\?)/gu;

/** The address of a link or a title is shorter. A longer sequence is said to be there, because it can hide a text. */
const SEQUENCE_MAX = 200;

/** What a reader would not see, or what moves other text, as a name of itself. */
function visible(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(SEQUENCES, (sequence) =>
      sequence.length > SEQUENCE_MAX ? `[${sequence.length} hidden]` : '',
    )
    .replaceAll(UNSAFE_IN_TEXT, (character) => {
      const code = character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
      return `[U+${code}]`;
    });
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
