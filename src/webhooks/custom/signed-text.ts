import { readHeader, type WebhookHeaders } from '../headers.ts';
import { fieldAt, parsePath } from './payload-path.ts';

/** A part of the signed bytes. */
export type SignedPart =
  | { readonly kind: 'body' | 'timestamp' | 'id' | 'url' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'field'; readonly path: readonly string[] };

/** Values of the parts that a request does not have as such. */
export interface SignedValues {
  readonly headers: WebhookHeaders;
  readonly body: Buffer;
  readonly url: string | undefined;
  readonly id: string | undefined;
  readonly timestamp: string | undefined;
  /** The parsed body; undefined when it cannot be parsed. */
  readonly payload: () => unknown;
}

/** The parts of `{timestamp}.{body}`, or a text that says what is wrong with it. */
export function parseSigned(template: string): readonly SignedPart[] | string {
  const parts: SignedPart[] = [];
  for (let at = 0; at < template.length; ) {
    const open = template.indexOf('{', at);
    const text = template.slice(at, open < 0 ? undefined : open);
    if (text !== '') parts.push({ kind: 'text', text });
    if (open < 0) break;
    const close = template.indexOf('}', open);
    const part = close < 0 ? undefined : placeholder(template.slice(open + 1, close));
    if (part === undefined) {
      return 'use {body}, {timestamp}, {id}, {url}, {header:<name>}, {body:<path>} and the text between them';
    }
    parts.push(part);
    at = close + 1;
  }
  return parts;
}

function placeholder(name: string): SignedPart | undefined {
  if (name === 'body' || name === 'timestamp' || name === 'id' || name === 'url') return { kind: name };
  if (name.startsWith('header:') && name.length > 'header:'.length) {
    return { kind: 'header', name: name.slice('header:'.length).toLowerCase() };
  }
  const path = name.startsWith('body:') ? parsePath(name.slice('body:'.length)) : undefined;
  return path === undefined ? undefined : { kind: 'field', path };
}

/**
 * The signed bytes of a request, in pieces. Undefined when one of them is missing, or could be read in two ways: a value
 * that holds the text behind it would let bytes move from one part to the next under the same signature.
 */
export function signedBytes(
  parts: readonly SignedPart[],
  values: SignedValues,
): readonly (string | Buffer)[] | undefined {
  const pieces: (string | Buffer)[] = [];
  for (const [index, part] of parts.entries()) {
    const piece = pieceOf(part, values);
    const next = parts[index + 1];
    if (piece === undefined || piece === '') return undefined;
    const isOpen = part.kind === 'id' || part.kind === 'header' || part.kind === 'field';
    if (isOpen && next?.kind === 'text' && piece.includes(next.text)) return undefined;
    pieces.push(piece);
  }
  return pieces;
}

function pieceOf(part: SignedPart, values: SignedValues): string | Buffer | undefined {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'body':
      return values.body;
    case 'header':
      return readHeader(values.headers, part.name);
    case 'field':
      return fieldAt(values.payload(), part.path);
    default:
      return values[part.kind];
  }
}
