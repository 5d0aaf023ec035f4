import { spelledOut } from './hints.ts';

/** How much of a run is masked, on both sides of what shows that it holds a secret. */
const BEFORE_CHARS_MAX = 4096;
const AFTER_CHARS_MAX = 16_384;

/** What is decoded around a hint: a secret with its name. */
const HEAD_CHARS = 400;
const TAIL_CHARS = 1200;

/** A shorter run holds no secret. */
const RUN_CHARS_MIN = 16;

/** How a text looks inside base64. */
export interface Base64Form {
  readonly text: string;
  /** How many characters before it belong to the same group of bytes. */
  readonly before: number;
}

/**
 * What a text looks like inside base64: three forms, one for each place in a group of three bytes. Only characters that the
 * text alone decides; none for a text that decides less than three.
 */
export function base64FormsOf(hint: string): readonly Base64Form[] {
  return spelledOut(hint).flatMap((text) =>
    [0, 1, 2].flatMap((shift) => {
      const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(text, 'latin1')]);
      const before = Math.ceil((shift * 8) / 6);
      const bits = bytes.length * 8;
      const form = bytes.toString('base64').slice(before, Math.floor(bits / 6));
      if (form.length < 3) return [];
      const next = form.length > 3 ? '' : nextOf(bytes, bits % 6);
      const forms = new Set([form, form.replaceAll('+', '-').replaceAll('/', '_')]);
      return [...forms].map((one) => ({ text: one + next, before }));
    }),
  );
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The set of characters that may come next: the text decides their first bits. */
function nextOf(bytes: Buffer, bits: number): string {
  if (bits === 0) return '';
  const known = (bytes.at(-1) ?? 0) & ((1 << bits) - 1);
  const all = DIGITS.slice(known << (6 - bits), (known + 1) << (6 - bits));
  return `[${all.includes('/') ? `${all}_` : all}${all.includes('+') ? '-' : ''}]`;
}

/** A part of a run of base64, decoded. */
export interface Decoding {
  readonly text: string;
  /** Up to where hints of the same alignment are answered. */
  readonly end: number;
}

/** What stands in base64 around a hint at `at`, not before `from`; undefined where no run is. */
export function decodingAround(
  text: string,
  at: number,
  { from, before }: { from: number; before: number },
): Decoding | undefined {
  const start = startOfRun(text, at, Math.max(from, at - HEAD_CHARS));
  const end = endOfRun(text, at, at + TAIL_CHARS);
  if (end - start < RUN_CHARS_MIN) return undefined;
  const head = plainBase64(text.slice(start, at));
  const whole = head + plainBase64(text.slice(at, end));
  const phase = (((head.length - before) % 4) + 4) % 4;
  const decoded = Buffer.from(phase === 0 ? whole : whole.slice(phase), 'base64').toString('latin1');
  return { text: decoded, end: end < at + TAIL_CHARS ? end : end - HEAD_CHARS };
}

/** The run of base64 around `at`, not before `from`. Line breaks may stand in it. */
export function base64Around(text: string, at: number, from: number): { start: number; end: number } {
  let start = startOfRun(text, at, Math.max(from, at - BEFORE_CHARS_MAX));
  let end = endOfRun(text, at, at + AFTER_CHARS_MAX);
  // A line break at an end belongs to the text around.
  while (start < at && /\s/.test(text[start] ?? '')) start += 1;
  while (end > at && /\s/.test(text[end - 1] ?? '')) end -= 1;
  while (end < text.length && text[end] === '=') end += 1;
  return { start, end };
}

function startOfRun(text: string, at: number, lowest: number): number {
  let start = at;
  while (start > lowest && isPart(text, start - 1)) start -= 1;
  return start;
}

function endOfRun(text: string, at: number, max: number): number {
  const highest = Math.min(text.length, max);
  let end = at;
  while (end < highest && isPart(text, end)) end += 1;
  return end;
}

function plainBase64(run: string): string {
  return /\s/.test(run) ? run.replace(/\s/g, '') : run;
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

/** Control characters other than blanks and line breaks. */
const BINARY = /(?![\t\n\v\f\r])\p{Cc}/u;

/** Whether what was decoded is no text. */
export function isBinary(text: string): boolean {
  return BINARY.test(text);
}
