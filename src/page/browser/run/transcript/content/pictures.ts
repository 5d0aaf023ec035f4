import type { OutputLine } from '../../../../../client/api/shapes.ts';
import { known } from '../../../data/known.ts';

/** A picture in the output. Undefined content: of a type that is not shown, or no picture. */
export interface Picture {
  readonly type: string;
  readonly content: Blob | undefined;
}

/** How files of the types that are shown begin. SVG is none of them: it can run scripts and load other files. */
const BEGINNINGS: Readonly<Record<string, RegExp>> = {
  'image/png': /^\x89PNG\r\n\p{Cc}\n/u,
  'image/jpeg': /^\xff\xd8\xff/,
  'image/gif': /^GIF8[79]a/,
  'image/webp': /^RIFF[\s\S]{4}WEBP/,
  'image/avif': /^[\s\S]{4}ftypavi[fs]/,
};

const BLOCK = /^\{"type":"(?:image|image_url|input_image)"/;
const DATA_URL = /^data:(image\/[a-z+.-]+);base64,/;

/** Takes blocks of pictures out of a content: they stand in it as JSON, each on a line of its own. */
export function picturesOf(
  { type }: OutputLine,
  text: string,
): { readonly rest: string; readonly pictures: readonly Picture[] } {
  if (!text.includes('"image') || (type !== 'tool_result' && type !== 'system'))
    return { rest: text, pictures: [] };
  const pictures: Picture[] = [];
  const rest = text.split('\n').filter((line) => {
    const picture = BLOCK.test(line) ? pictureOf(line) : undefined;
    if (picture !== undefined) pictures.push(picture);
    return picture === undefined;
  });
  return { rest: rest.join('\n'), pictures };
}

/** The forms of Anthropic, MCP and OpenAI. */
function pictureOf(json: string): Picture | undefined {
  const block = parsed(json);
  const source = objectOf(block.source);
  const url = textOf(objectOf(block.image_url).url ?? block.image_url ?? source.url);
  const fromUrl = DATA_URL.exec(url);
  const type = textOf(source.media_type ?? block.mimeType ?? fromUrl?.[1]);
  const data = source.data ?? block.data ?? (fromUrl === null ? undefined : url.slice(fromUrl[0].length));
  if (type === '' || typeof data !== 'string') return undefined;
  return { type, content: blobOf(type, data) };
}

function blobOf(type: string, base64: string): Blob | undefined {
  const beginning = known(BEGINNINGS, type);
  if (beginning === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    if (!beginning.test(String.fromCharCode(...bytes.subarray(0, 16)))) return undefined;
    return new Blob([bytes], { type });
  } catch {
    // InvalidCharacterError: no base64.
    return undefined;
  }
}

function parsed(json: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(json));
  } catch {
    // SyntaxError: text that only looks like a block, or one that was cut.
    return {};
  }
}

/** `String` throws for an object whose `toString` is no function. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
