import { redactJson } from '../../../redact/redact.ts';
import type { NewLine } from './line-file.ts';
import { type SentLine, sentId } from './sent-line.ts';

/**
 * Longest line of a record, in bytes: room for a payload of 8 MiB. Readers take 16 MiB, because lines that are made of this
 * one may be a little longer.
 */
const LINE_BYTES_MAX = 12_582_912;

/** Why a record is rejected whose line readers would skip. */
export const LINE_PROBLEM: string = `the line of a record would be longer than ${LINE_BYTES_MAX} bytes`;

/** Drop reason of these records. */
export const TOO_LONG = 'lines over the limit';

/** The line of a received record, with the key of `sentId`. Undefined when the line would be too long. */
export function recordLine(line: SentLine): NewLine | undefined {
  const text = readableText(JSON.stringify(line));
  return text === undefined ? undefined : { id: sentId(line), timestamp: line.timestamp, text };
}

/** The line of a record, masked; undefined when it would be too long. Checked before as well: masking takes time. */
export function readableText(json: string): string | undefined {
  if (isTooLong(json)) return undefined;
  const text = redactJson(json);
  return isTooLong(text) ? undefined : text;
}

function isTooLong(text: string): boolean {
  return text.length > LINE_BYTES_MAX / 3 && Buffer.byteLength(text) > LINE_BYTES_MAX;
}
