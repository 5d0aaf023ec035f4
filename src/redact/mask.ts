/** What replaces a secret. The kind is the name of the rule or of the field: `[redacted:github-token]`. */
export function maskOf(kind: string): string {
  return `${MASK_START}:${kind}]`;
}

const MASK_START = '[redacted';

/** What a mask begins with. Texts of older versions hold masks without a kind. */
export const MASK_HINT = '[redacted';

const MASK = /\[redacted(?::[a-z0-9-]{0,60})?\]?/y;

/** The end of the mask that begins at `at`. A mask may have lost its end to truncation. */
export function endOfMask(text: string, at: number): number {
  MASK.lastIndex = at;
  return MASK.test(text) ? MASK.lastIndex : at;
}

/** All masks of a text. */
export const MASKS: RegExp = /\[redacted(?::[a-z0-9-]{0,60})?\]/g;

/** Whether the value is a mask, or what truncation left of one. */
export function isMask(value: string): boolean {
  return value.startsWith(MASK_START) || (value.startsWith('[') && MASK_START.startsWith(value));
}

/** A secret in a text: from `start` up to `end`. */
export interface Found {
  readonly start: number;
  readonly end: number;
  readonly kind: string;
}

/** The text with each secret masked. `found` is sorted and does not overlap. */
export function maskAll(text: string, found: readonly Found[]): string {
  let masked = '';
  let from = 0;
  for (const { start, end, kind } of found) {
    masked += text.slice(from, start) + maskOf(kind);
    from = end;
  }
  return masked + text.slice(from);
}

/** Sorted, and without overlaps. Of two secrets that overlap the kind of the first row stays. */
export function merged(found: readonly Found[]): Found[] {
  const sorted = [...found].sort((a, b) => a.start - b.start || b.end - a.end);
  const out: Found[] = [];
  for (const next of sorted) {
    const last = out.at(-1);
    if (last === undefined || next.start >= last.end) out.push(next);
    else if (next.end > last.end) out[out.length - 1] = { ...last, end: next.end };
  }
  return out;
}
