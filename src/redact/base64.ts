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

/** A hint without the set at its end, where the rest is long enough. */
export function fixedPart(hint: string): string {
  const fixed = hint.replace(/\[[^\]]*\]$/, '');
  return fixed.replace(/\[[^\]]*\]/g, '?').length < 3 ? hint : fixed;
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
  const bytes = Buffer.from(phase === 0 ? whole : whole.slice(phase), 'base64');
  return { text: textOfBytes(bytes), end: end < at + TAIL_CHARS ? end : end - HEAD_CHARS };
}

/** Characters beyond ASCII only where the bytes are UTF-8. A part of a text may begin and end inside of one. */
function textOfBytes(bytes: Buffer): string {
  let start = 0;
  while (start < 3 && isInside(bytes[start])) start += 1;
  let end = bytes.length;
  while (end > start && bytes.length - end < 3 && isInside(bytes[end - 1])) end -= 1;
  if (end > start && (bytes[end - 1] ?? 0) >= 0xc0) end -= 1;
  // U+FFFD stands for bytes that are no UTF-8.
  const isText = !bytes.toString('utf8', start, end).includes('\uFFFD');
  return bytes.toString(isText ? 'utf8' : 'latin1');
}

/** Not the first byte of a character in UTF-8. */
function isInside(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x80 && byte < 0xc0;
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
  return run.includes('\n') || run.includes('\r') ? run.replace(/[\r\n]/g, '') : run;
}

/** Characters of base64, also in its form for addresses. */
const DIGIT: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) =>
  /[A-Za-z0-9+/_-]/.test(String.fromCharCode(code)) ? 1 : 0,
);

function isPart(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return DIGIT[code] === 1 || ((code === 10 || code === 13) && isInLine(text, at));
}

const LINE_CHARS_MIN = 56;

/** A line break between two long lines of base64. */
function isInLine(text: string, at: number): boolean {
  // One blank at most, which is a part of the break.
  const next = isBlank(text, at + 1) ? at + 2 : at + 1;
  if (!areDigits(text, next, next + 4)) return false;
  const end = text.charCodeAt(at - 1) === 13 ? at - 1 : at;
  return areDigits(text, end - LINE_CHARS_MIN, end);
}

function isBlank(text: string, at: number): boolean {
  return /\s/.test(text[at] ?? '');
}

function areDigits(text: string, start: number, end: number): boolean {
  if (start < 0 || end > text.length) return false;
  for (let at = start; at < end; at += 1) if (DIGIT[text.charCodeAt(at)] !== 1) return false;
  return true;
}

/** Control characters other than blanks, line breaks and the start of a terminal code. */
const BINARY = new RegExp(`[${['\\0-\\x08', '\\x0e-\\x1a', '\\x1c-\\x1f', '\\x7f-\\x9f'].join('')}]`);

/** Whether what was decoded is no text. */
export function isBinary(text: string): boolean {
  return BINARY.test(text);
}
