import { spelledOut } from './hints.ts';

/** A secret is shorter; a file in base64 is read up to here on both sides of what shows that it holds one. */
const RUN_CHARS_MAX = 4096;

/**
 * What a text looks like inside base64: three forms, one for each place in a group of three bytes. Only characters that the
 * text alone decides; undefined for a text that decides less than four.
 */
export function base64FormsOf(hint: string): readonly string[] {
  return spelledOut(hint).flatMap((text) =>
    [0, 1, 2].flatMap((shift) => {
      const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(text, 'latin1')]);
      const first = Math.ceil((shift * 8) / 6);
      const last = Math.floor((bytes.length * 8) / 6);
      const form = bytes.toString('base64').slice(first, last);
      return form.length < 4 ? [] : [form];
    }),
  );
}

export interface Run {
  readonly start: number;
  readonly end: number;
  readonly decoded: string;
}

/** The run of base64 around `at`, not before `from`, decoded. Line breaks may stand in it. */
export function base64Around(text: string, at: number, from: number): Run {
  const lowest = Math.max(from, at - RUN_CHARS_MAX);
  let start = at;
  while (start > lowest && isPart(text, start - 1)) start -= 1;
  const highest = Math.min(text.length, at + RUN_CHARS_MAX);
  let end = at;
  while (end < highest && isPart(text, end)) end += 1;
  // A line break at an end belongs to the text around.
  while (start < at && /\s/.test(text[start] ?? '')) start += 1;
  while (end > at && /\s/.test(text[end - 1] ?? '')) end -= 1;
  while (end < text.length && text[end] === '=') end += 1;
  return { start, end, decoded: '' };
}

/** The run decoded from each of the four places where a group of four characters may begin. */
export function decodings(text: string, { start, end }: Run): readonly string[] {
  const run = text.slice(start, end).replace(/[\s\\]|\\n/g, '');
  return [0, 1, 2, 3].map((shift) => Buffer.from(run.slice(shift), 'base64').toString('latin1'));
}

function isPart(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 47 && code <= 57) ||
    code === 43 ||
    code === 45 ||
    code === 95 ||
    ((code === 10 || code === 13) && isInLine(text, at))
  );
}

/** A line break between two long lines of base64. */
function isInLine(text: string, at: number): boolean {
  return (
    /^[A-Za-z0-9+/_-]{4}/.test(text.slice(at + 1, at + 6).trimStart()) &&
    /[A-Za-z0-9+/_-]{56}\r?$/.test(text.slice(Math.max(0, at - 58), at))
  );
}
