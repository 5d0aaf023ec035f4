/** A text without its encodings, and where each of its characters stands in the original. */
export interface Decoded {
  readonly text: string;
  /** `starts[i]` is where character i begins; one more entry for the end. */
  readonly starts: Uint32Array;
}

const ESC = '\\u001b';

/**
 * What hides the characters of a secret: `\u0041`, `\x41`, `%41`, `&#65;`, `\/`, quoted-printable line ends, terminal
 * codes, and characters without a width.
 */
const ENCODED = new RegExp(
  [
    '\\\\+u\\{?00([0-9a-fA-F]{2})\\}?',
    '\\\\+u(?:2[0-9a-fA-F]{3}|[fF][eE][fF]{2})',
    '\\\\+x([0-9a-fA-F]{2})',
    '%(?:25){0,3}([0-7][0-9a-fA-F])',
    '&#(?:x0{0,4}([0-9a-fA-F]{2})|0{0,4}([0-9]{2,3}));',
    '&(quot|apos|amp|lt|gt|equals|colon|lowbar|hyphen|sol|num|period);',
    '\\\\+(\\/)',
    `(?:${ESC}|\\\\e|\\\\033)\\[[0-?]{0,40}[ -\\/]{0,4}[@-~]`,
    `${ESC}\\][^\\u0007\\u001b\\n]{0,2000}(?:\\u0007|${ESC}\\\\)`,
    `${ESC}[@-_]?`,
    '\\u009b[0-?]{0,40}[ -\\/]{0,4}[@-~]',
    '[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001a\\u001c-\\u001f\\u007f-\\u009a\\u009c-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0]',
    '\\udb40[\\udc00-\\udfff]',
  ].join('|'),
  'g',
);

const ENTITIES: Readonly<Record<string, string>> = {
  quot: '"',
  apos: "'",
  amp: '&',
  lt: '<',
  gt: '>',
  equals: '=',
  colon: ':',
  lowbar: '_',
  hyphen: '-',
  sol: '/',
  num: '#',
  period: '.',
};

/** Hints of these encodings. Characters beyond ASCII and control characters need none. */
export const ENCODING_HINTS: readonly string[] = [
  '%[0-7][0-9A-Fa-f]',
  '%25',
  '\\u0',
  '\\u2',
  '\\u{',
  '\\uf',
  '\\uF',
  '\\x[0-7]',
  '&#[0-9x]',
  '&qu',
  '&ap',
  '&am',
  '&lt',
  '&gt',
  '&eq',
  '&co',
  '&lo',
  '&hy',
  '&so',
  '&nu',
  '&pe',
  '\\e\u005b',
  '\\03',
  '[A-Za-z0-9:+]\\/',
];

/** Whether the character, which is no printable ASCII, may stand inside a secret without being seen. */
export function isInvisible(char: number): boolean {
  if (char < 0xa0) return char !== 10 && char !== 13;
  if (char < 0x2000)
    return (
      char === 0xad ||
      char === 0x34f ||
      char === 0x61c ||
      char === 0x115f ||
      char === 0x1160 ||
      (char >= 0x17b4 && char <= 0x17b5) ||
      (char >= 0x180b && char <= 0x180f)
    );
  return (
    (char >= 0x200b && char <= 0x200f) ||
    (char >= 0x202a && char <= 0x202e) ||
    (char >= 0x2060 && char <= 0x206f) ||
    char === 0x3164 ||
    (char >= 0xfe00 && char <= 0xfe0f) ||
    char === 0xfeff ||
    char === 0xffa0 ||
    char === 0xdb40
  );
}

export function decode(text: string): Decoded {
  const starts = new Uint32Array(text.length + 1);
  let out = '';
  let from = 0;
  for (const match of text.matchAll(ENCODED)) {
    for (let at = from; at < match.index; at += 1) starts[out.length + at - from] = at;
    out += text.slice(from, match.index);
    const plain = plainOf(match);
    if (plain !== '') starts[out.length] = match.index;
    out += plain;
    from = match.index + match[0].length;
  }
  for (let at = from; at <= text.length; at += 1) starts[out.length + at - from] = at;
  return { text: out + text.slice(from), starts };
}

function plainOf(match: RegExpExecArray): string {
  const [, unicode, hex, percent, entityHex, entityDecimal, entity, slash] = match;
  const code = unicode ?? hex ?? percent ?? entityHex;
  if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
  if (entityDecimal !== undefined) return String.fromCharCode(Number(entityDecimal));
  return ENTITIES[entity ?? ''] ?? slash ?? '';
}

interface Place {
  readonly start: number;
  readonly end: number;
}

/** Where something that stands in a decoded text stands in the text itself. */
export function mapped({ start, end }: Place, { starts }: Decoded): Place {
  // The end is that of the last character, which its encoding may make longer.
  return { start: starts[start] ?? 0, end: starts[end] ?? 0 };
}
